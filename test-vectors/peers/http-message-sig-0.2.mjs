// npm http-message-sig as web-bot-auth brings it. Jobs come as a JSON list on stdin, answers go as one to stdout.
import { createPrivateKey, createPublicKey, sign as rawSign, verify as rawVerify } from "node:crypto";
import { readFileSync } from "node:fs";
import { signatureHeaders, verify as check } from "http-message-sig-0.2";

const kind = (job) => (job.alg === "ed25519" ? null : "sha256");

// Glue: the library has no cryptography of its own, and Content-Digest is the caller's; `key` is the label.
async function sign(job) {
  const headers = { ...job.headers };
  if (job.body !== null) headers["content-digest"] = job.digest;
  const key = { key: createPrivateKey(job.private_pem), dsaEncoding: "ieee-p1363" };
  const signer = { keyid: job.keyid, alg: job.alg, sign: async (base) => rawSign(kind(job), Buffer.from(base), key) };
  const fields = await signatureHeaders(
    { method: job.method, url: job.url, headers },
    {
      signer,
      key: "sig",
      components: job.cover,
      created: new Date(job.created * 1000),
      expires: new Date(job.expires * 1000),
      nonce: job.nonce,
      tag: job.tag,
    },
  );
  return { headers: { ...headers, ...fields } };
}

// There is nothing to tell it. It refuses with a plain Error.
async function verify(job) {
  const key = { key: createPublicKey(job.public_pem), dsaEncoding: "ieee-p1363" };
  const verifier = (base, signature) => {
    if (!rawVerify(kind(job), Buffer.from(base), key, signature)) throw new Error("the signature does not verify");
  };
  try {
    await check({ method: job.method, url: job.url, headers: job.headers }, verifier);
    return { verdict: "accepted" };
  } catch (error) {
    if (error.constructor === Error) return { verdict: "refused", why: error.message };
    throw error;
  }
}

async function answer(job) {
  if (job.do === "version") return { version: JSON.parse(readFileSync("node_modules/http-message-sig-0.2/package.json")).version };
  try {
    return job.do === "sign" ? await sign(job) : await verify(job);
  } catch (error) {
    return { verdict: "raises", why: `${error.name}: ${error.message}` };
  }
}

const answers = [];
for (const job of JSON.parse(readFileSync(0))) answers.push(await answer(job));
process.stdout.write(JSON.stringify(answers));
