// npm http-message-signatures. Jobs come as a JSON list on stdin, answers go as one to stdout.
import { readFileSync } from "node:fs";
import * as peer from "http-message-signatures";

const { httpbis, createSigner, createVerifier } = peer;
const refusals = Object.values(peer).filter((member) => typeof member === "function" && member.prototype instanceof Error);

// Glue: Content-Digest is the caller's.
async function sign(job) {
  const headers = { ...job.headers };
  if (job.body !== null) headers["content-digest"] = job.digest;
  const signed = await httpbis.signMessage(
    {
      key: createSigner(job.private_pem, job.alg, job.keyid),
      fields: job.cover,
      params: ["created", "expires", "nonce", "keyid", "tag"],
      paramValues: { created: new Date(job.created * 1000), expires: new Date(job.expires * 1000), nonce: job.nonce, tag: job.tag },
    },
    { method: job.method, url: job.url, headers },
  );
  return { headers: signed.headers };
}

async function verify(job) {
  const check = createVerifier(job.public_pem, job.alg);
  const told = {
    all: true,
    maxAge: 60,
    requiredFields: job.cover,
    requiredParams: ["created", "expires", "nonce", "keyid", "tag"],
  };
  const config = {
    keyLookup: async ({ keyid }) => (keyid === job.keyid ? { id: keyid, algs: [job.alg], verify: check } : null),
    ...(job.told ? told : {}),
  };
  try {
    const verdict = await httpbis.verifyMessage(config, { method: job.method, url: job.url, headers: job.headers });
    return verdict === true ? { verdict: "accepted" } : { verdict: "refused", why: `it says ${verdict}` };
  } catch (error) {
    if (refusals.some((kind) => error instanceof kind)) return { verdict: "refused", why: error.message };
    throw error;
  }
}

async function answer(job) {
  if (job.do === "version") return { version: installed("http-message-signatures") };
  try {
    return job.do === "sign" ? await sign(job) : await verify(job);
  } catch (error) {
    return { verdict: "raises", why: `${error.name}: ${error.message}` };
  }
}

function installed(name) {
  return JSON.parse(readFileSync(`node_modules/${name}/package.json`)).version;
}

const answers = [];
for (const job of JSON.parse(readFileSync(0))) answers.push(await answer(job));
process.stdout.write(JSON.stringify(answers));
