// npm @hellocoop/httpsig. Jobs come as a JSON list on stdin, answers go as one to stdout.
import { readFileSync } from "node:fs";
import { fetch, verify as check } from "@hellocoop/httpsig";

// It always sends a Signature-Key; of a registered key it is the key itself (`hwk`).
async function sign(job) {
  const certificate = job.certificate;
  const { headers } = await fetch(job.url, {
    method: job.method,
    headers: Object.fromEntries(Object.entries(job.headers).filter(([name]) => name !== "signature-key")),
    body: job.body ?? undefined,
    signingKey: job.private_jwk,
    signatureKey: certificate ? { type: "jkt_jwt", jwt: certificate } : { type: "hwk" },
    components: [...new Set([...job.cover, "signature-key"])],
    dryRun: true,
  });
  return { headers: Object.fromEntries(headers) };
}

// Glue: "@query" is what it is given as `query`, so that is given with its question mark, unless told to be without glue.
const documented = process.argv[2] === "documented";
// Whom to trust is the caller's: the identity and the call key are compared here.
async function verify(job) {
  const url = new URL(job.url);
  const result = await check(
    {
      method: job.method,
      authority: url.host,
      path: url.pathname,
      query: documented ? url.search.slice(1) : url.search || "?",
      headers: job.headers,
      body: job.body ?? undefined,
    },
    job.told ? { requireContentDigest: true, supportedAlgorithms: ["Ed25519", "ES256"] } : {},
  );
  if (!result.verified) return { verdict: "refused", why: result.error ?? "it says false" };
  const issuer = result.jkt_jwt?.identityThumbprint;
  if (issuer !== `urn:jkt:sha-256:${job.identity}` || result.thumbprint !== job.keyid) return { verdict: "refused", why: "another key" };
  return { verdict: "accepted" };
}

async function answer(job) {
  if (job.do === "version") return { version: JSON.parse(readFileSync("node_modules/@hellocoop/httpsig/package.json")).version };
  try {
    return job.do === "sign" ? await sign(job) : await verify(job);
  } catch (error) {
    return { verdict: "raises", why: `${error.name}: ${error.message}` };
  }
}

const answers = [];
for (const job of JSON.parse(readFileSync(0))) answers.push(await answer(job));
process.stdout.write(JSON.stringify(answers));
