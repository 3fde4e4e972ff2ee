#!/usr/bin/env node
// Calls agents of packs with the credentials of the wallet of `envelope`: for chat hosts, without any package.
//
//     host.mjs PACK AGENT ['{"city": "Berlin"}']
//
// As a library: `const { status, body } = await call("b1946ac9", "Weather", { city: "Berlin" })`. PACK is the guid of a pack in
// the wallet, the beginning of it (4 characters or more), or the URL of a pack. The token of a pack goes as it is; for an
// identity or a login `envelope sign` is run, which has to be on the PATH. Node 18 or later.

import { spawnSync } from "node:child_process";
import { readFileSync, realpathSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Why nothing was called; it never holds a token. */
export class HostError extends Error {}

/** Where envelope keeps the wallet. */
function home() {
  if (process.env.ENVELOPE_HOME) return process.env.ENVELOPE_HOME;
  const data = process.env.XDG_DATA_HOME ?? "";
  return join(isAbsolute(data) ? data : join(homedir(), ".local", "share"), "envelope");
}

/** The wallet; an empty one where there is none. It is refused when others may read it: it holds tokens. */
export function readWallet() {
  const path = join(home(), "wallet", "wallet.json");
  let wallet;
  try {
    if (statSync(path).mode & 0o077) throw new HostError(`others may use ${path}`);
    wallet = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    if (error.code === "ENOENT") return {};
    // What JSON.parse says repeats a piece of the text.
    throw error instanceof SyntaxError ? new HostError(`not a wallet: ${path}`) : error;
  }
  if (wallet.version !== 1) throw new HostError(`not a wallet that this program reads: ${path}`);
  return wallet;
}

const same = (a, b) => a.toLowerCase() === b.toLowerCase();

/** Every pack of the wallet, each once: `url` of the verifier, `guid`, `kind`, `token` where there is one. */
function knownPacks(wallet) {
  const packs = (wallet.packs ?? []).map(({ url, guid, kind, token }) => ({ url, guid, kind, token }));
  for (const { url, packs: guids } of [...(wallet.verifiers ?? []), ...(wallet.logins ?? [])]) {
    for (const guid of guids) {
      const isKnown = packs.some((pack) => pack.url === url && same(pack.guid, guid));
      if (!isKnown) packs.push({ url, guid, kind: "pack" });
    }
  }
  return packs;
}

/** The pack that is meant. */
export function whichPack(wallet, text) {
  const known = knownPacks(wallet);
  if (text.includes("://")) {
    const parts = /^(https?:\/\/[^/?#]+)\/api\/(pack|swarm)\/([A-Za-z0-9._~-]+)\/?$/.exec(text);
    if (!parts) throw new HostError(`not the URL of a pack: ${JSON.stringify(text)}`);
    const [, url, kind, guid] = parts;
    const found = known.find((pack) => pack.url === url && same(pack.guid, guid));
    return { ...(found ?? { url, guid }), kind };
  }
  let meant = known.filter((pack) => same(pack.guid, text));
  if (meant.length === 0 && text.length >= 4) {
    meant = known.filter((pack) => pack.guid.toLowerCase().startsWith(text.toLowerCase()));
  }
  if (meant.length !== 1) {
    throw new HostError(`the wallet knows ${meant.length || "no"} packs ${JSON.stringify(text)}`);
  }
  return meant[0];
}

/** What goes with a call: the choice of `envelope call`. */
function credential(wallet, pack) {
  if ((wallet.verifiers ?? []).some(({ url }) => url === pack.url)) return "signed";
  if ((wallet.logins ?? []).some(({ url }) => url === pack.url)) return "login";
  return pack.token ? "token" : undefined;
}

/** The header fields that sign the request; `envelope` renews what has to be renewed. */
function sign(url, body) {
  const args = ["sign", "POST", url, "--body", "-", "-H", "Content-Type: application/json"];
  const signed = spawnSync("envelope", args, { input: body, encoding: "utf8" });
  if (signed.error) throw signed.error;
  if (signed.status !== 0) throw new HostError(signed.stderr.trim());
  const lines = signed.stdout.trimEnd().split("\n");
  return Object.fromEntries(lines.map((line) => line.split(/: (.*)/s, 2)));
}

/** Posts once, to nowhere else: a redirect would take the credential along. */
async function send(url, headers, body) {
  const answer = await fetch(url, { method: "POST", headers, body, redirect: "manual" });
  return { status: answer.status, body: await answer.text() };
}

/** Whether nobody on the way reads what goes there. */
function isPrivate(url) {
  const { protocol, hostname } = new URL(url);
  return protocol === "https:" || hostname === "localhost" || hostname === "[::1]" || hostname.startsWith("127.");
}

/** Calls an agent; gives the status and the body of the answer. */
export async function call(pack, agent, given = {}) {
  const wallet = readWallet();
  const meant = whichPack(wallet, pack);
  const url = `${meant.url}/api/${meant.kind}/${meant.guid}/agent`;
  const body = JSON.stringify({ name: agent, args: given });
  const headers = { "Content-Type": "application/json" };
  const kind = credential(wallet, meant);
  if (kind === "token") {
    if (!isPrivate(url)) throw new HostError("a token does not go over plain HTTP to another machine");
    headers.Authorization = `Bearer ${meant.token}`;
  }
  if (kind !== "signed" && kind !== "login") return send(url, headers, body);
  const first = await send(url, { ...headers, ...sign(url, body) }, body);
  if (first.status !== 503 || !first.body.includes('"replay-unavailable"')) return first;
  // The verifier began anew and has passed nothing on: what was signed before, it may have seen.
  await new Promise((resolve) => setTimeout(resolve, 1100));
  return send(url, { ...headers, ...sign(url, body) }, body);
}

async function main([pack, agent, given = "{}", ...more]) {
  if (agent === undefined || more.length > 0) {
    console.error("usage: host.mjs PACK AGENT ['{…}']");
    return 2;
  }
  try {
    const args = JSON.parse(given);
    if (typeof args !== "object" || args === null || Array.isArray(args)) {
      throw new HostError("the arguments are not a JSON object");
    }
    const { status, body } = await call(pack, agent, args);
    process.stdout.write(body);
    return status >= 200 && status < 300 ? 0 : 1;
  } catch (error) {
    console.error(`host: error: ${error.message}`);
    return 2;
  }
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  process.exitCode = await main(process.argv.slice(2));
}
