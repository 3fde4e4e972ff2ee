// npm http-message-sig. Jobs come as a JSON list on stdin, answers go as one to stdout.
import { createPrivateKey, createPublicKey, sign as ecdsaSign, verify as ecdsaVerify } from "node:crypto";
import { readFileSync } from "node:fs";
import { createSignature, isSignatureError, verifySignature, webcrypto } from "http-message-sig";

const message = (job, headers) => ({
  kind: "request",
  method: job.method,
  targetUri: job.url,
  fields: Object.entries(headers).map(([name, value]) => ({ name, value })),
});

// Glue: the library brings Ed25519 and RSA; P-256 comes through its interface of signers and verifiers.
async function signer(job) {
  if (job.alg === "ed25519") {
    return webcrypto.signer(await crypto.subtle.importKey("jwk", job.private_jwk, { name: "Ed25519" }, false, ["sign"]));
  }
  const key = createPrivateKey(job.private_pem);
  return { algorithm: job.alg, sign: async (base) => ecdsaSign("sha256", base, { key, dsaEncoding: "ieee-p1363" }) };
}

async function verifier(job) {
  if (job.alg === "ed25519") {
    return webcrypto.verifier(await crypto.subtle.importKey("jwk", job.public_jwk, { name: "Ed25519" }, false, ["verify"]));
  }
  const key = createPublicKey(job.public_pem);
  return { algorithm: job.alg, verify: async (base, bytes) => ecdsaVerify("sha256", base, { key, dsaEncoding: "ieee-p1363" }, bytes) };
}

// Glue: Content-Digest is the caller's; the label has to be that of Signature-Key.
async function sign(job) {
  const headers = { ...job.headers };
  if (job.body !== null) headers["content-digest"] = job.digest;
  const { created, expires, nonce, keyid, tag } = job;
  const fields = await createSignature(message(job, headers), {
    signer: await signer(job),
    label: "sig",
    components: job.cover,
    parameters: { created, expires, nonce, keyid, tag },
  });
  return { headers: { ...headers, "signature-input": fields.signatureInput, signature: fields.signature } };
}

async function verify(job) {
  const told = {
    requiredComponents: job.cover,
    requiredParameters: ["created", "expires", "nonce", "keyid", "tag"],
    maxAge: 60,
    validate: ({ parameters }) => parameters.tag === job.tag,
  };
  const policy = { requiredComponents: [], requiredParameters: [], algorithms: [job.alg], ...(job.told ? told : {}) };
  try {
    await verifySignature(message(job, job.headers), { policy, resolveVerifier: () => verifier(job) });
    return { verdict: "accepted" };
  } catch (error) {
    if (isSignatureError(error)) return { verdict: "refused", why: error.message };
    throw error;
  }
}

async function answer(job) {
  if (job.do === "version") return { version: JSON.parse(readFileSync("node_modules/http-message-sig/package.json")).version };
  try {
    return job.do === "sign" ? await sign(job) : await verify(job);
  } catch (error) {
    return { verdict: "raises", why: `${error.name}: ${error.message}` };
  }
}

const answers = [];
for (const job of JSON.parse(readFileSync(0))) answers.push(await answer(job));
process.stdout.write(JSON.stringify(answers));
