// A real OpenID provider on a free port of this machine, for tests: people log in by any name, without a password.
//
//     node server.mjs [--alg RS256|ES256|EdDSA] [--id-token-ttl SECONDS]
//
// Prints its issuer URL on one line. Ends when its standard input does.

import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { parseArgs } from 'node:util';

// Standard output is for the issuer URL alone.
console.log = console.info = console.error;

const { values: options } = parseArgs({
  options: {
    alg: { type: 'string', default: 'RS256' },
    'id-token-ttl': { type: 'string', default: '3600' },
  },
});

const people = {
  alice: ['acme', 'acme/sales'],
  bob: ['acme'],
};

const key = (alg, type, parameters) => ({
  ...generateKeyPairSync(type, parameters).privateKey.export({ format: 'jwk' }), alg, use: 'sig',
});

const { default: Provider } = await import('oidc-provider');
const server = createServer();
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [{
    client_id: 'envelope',
    application_type: 'native',
    token_endpoint_auth_method: 'none',
    grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
    response_types: [],
    redirect_uris: [],
    id_token_signed_response_alg: options.alg,
  }],
  jwks: {
    keys: [
      key('RS256', 'rsa', { modulusLength: 2048 }),
      key('ES256', 'ec', { namedCurve: 'P-256' }),
      key('EdDSA', 'ed25519'),
    ],
  },
  enabledJWA: { idTokenSigningAlgValues: ['RS256', 'ES256', 'EdDSA'] },
  features: { deviceFlow: { enabled: true } },
  claims: { openid: ['sub', 'groups'] },
  // In the ID token, not only at the userinfo endpoint.
  conformIdTokenClaims: false,
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, groups: people[id] ?? [] }) }),
  cookies: { keys: ['a test has no secrets'] },
  ttl: {
    AccessToken: 3600, DeviceCode: 600, Grant: 86400, IdToken: Number(options['id-token-ttl']), Interaction: 600,
    RefreshToken: 86400, Session: 86400,
  },
});

server.on('request', provider.callback());
process.stdout.write(`${issuer}\n`);
process.stdin.resume().on('end', () => process.exit());
