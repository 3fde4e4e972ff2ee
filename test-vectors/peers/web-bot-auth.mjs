// npm web-bot-auth. Jobs come as a JSON list on stdin, answers go as one to stdout.
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { signatureHeaders, verify as check } from "web-bot-auth";
import { signerFromJWK, verifierFromJWK } from "web-bot-auth/crypto";

// Glue: Content-Digest is the caller's; `key`, the label, has to be that of Signature-Key.
// The tag is always "web-bot-auth"; a nonce is 64 bytes in base64.
async function sign(job) {
  const headers = { ...job.headers };
  if (job.body !== null) headers["content-digest"] = job.digest;
  const fields = await signatureHeaders(
    { method: job.method, url: job.url, headers },
    await signerFromJWK(job.private_jwk),
    {
      created: new Date(job.created * 1000),
      expires: new Date(job.expires * 1000),
      key: "sig",
      nonce: randomBytes(64).toString("base64"),
      components: job.cover,
    },
  );
  return { headers: { ...headers, ...fields } };
}

// There is nothing to tell it. It refuses with a plain Error, like what it depends on.
async function verify(job) {
  const key = await verifierFromJWK(job.public_jwk);
  try {
    await check({ method: job.method, url: job.url, headers: job.headers }, key);
    return { verdict: "accepted" };
  } catch (error) {
    if (error.constructor === Error) return { verdict: "refused", why: error.message };
    throw error;
  }
}

async function answer(job) {
  if (job.do === "version") return { version: JSON.parse(readFileSync("node_modules/web-bot-auth/package.json")).version };
  try {
    return job.do === "sign" ? await sign(job) : await verify(job);
  } catch (error) {
    return { verdict: "raises", why: `${error.name}: ${error.message}` };
  }
}

const answers = [];
for (const job of JSON.parse(readFileSync(0))) answers.push(await answer(job));
process.stdout.write(JSON.stringify(answers));
