//! Stores with very many keys and packs. The program makes the file, its tables and its key; the rows are written here as it would
//! write them, since a million signed requests to do so would take longer than everything that is measured.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use base64ct::{Base64UrlUnpadded, Encoding};
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::DecodePrivateKey;
use envelope_core::VerifyingKey;
use envelope_verifier::Clock;
use envelope_verifier::server::{Flags, Known};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use crate::Outcome;
use crate::callers::{PACK, people};

/// What a configuration and its store come to.
pub(crate) async fn open(config: &Path) -> Outcome<Known> {
    let config = Flags::read(config)?.0.resolve()?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 7998));
    Ok(Known::open(&config, address, &Clock::system()).await?)
}

/// The token of a pack, as long and as random to look at as one that the program makes.
pub(crate) fn token_of(guid: &str) -> String {
    format!("tok_{}", random(guid.as_bytes()))
}

/// Adds so many keys, each of an identity of its own, and so many packs with a token each, to the store of a configuration: those
/// of the callers and the pack that they call come with them.
pub(crate) fn fill(config: &Path, keys: u32, packs: u32) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        drop(open(config).await?);
        let path = Flags::read(config)?.0.resolve()?.store.ok_or("the configuration has no store")?;
        let issuer = std::fs::read_to_string(path.with_extension("issuer.pem"))?;
        let issuer = SigningKey::from_pkcs8_pem(&issuer)?;
        let token_key = sign(&Key::new(HMAC_SHA256, &issuer.to_bytes()), b"envelope: the key of pack tokens");
        let token_key = Key::new(HMAC_SHA256, token_key.as_ref());
        let mut database = SqliteConnectOptions::new().filename(&path).connect().await?;
        let mut transaction = database.begin().await?;
        let written: &mut SqliteConnection = &mut transaction;
        sqlx::query("UPDATE change SET value = 1").execute(&mut *written).await?;
        let print = |key: &VerifyingKey| key.thumbprint().to_string();
        let callers = people()?;
        let callers = callers.iter().map(|one| (one.name.clone(), print(one.identity_key.verifying_key())));
        let others = (0..keys).map(|number| (format!("user-{number}"), random(&number.to_le_bytes())));
        let all: Vec<_> = callers.chain(others).collect();
        for keys in all.chunks(PORTION) {
            put(written, &serde_json::to_string(keys)?, KEYS).await?;
        }
        let called = (PACK.to_owned(), r#"{"accept":["signed","token"],"allowed_users":null}"#.to_owned());
        let others = (0..packs).map(|number| pack(number, keys.max(1)));
        let all = std::iter::once(called).chain(others).map(|(guid, rules)| {
            let mac = sign(&token_key, token_of(&guid).as_bytes());
            (guid, rules, Base64UrlUnpadded::encode_string(mac.as_ref()))
        });
        for packs in all.collect::<Vec<_>>().chunks(PORTION) {
            put(written, &serde_json::to_string(packs)?, PACKS).await?;
        }
        transaction.commit().await?;
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut database).await?;
        database.close().await?;
        Ok(())
    })
}

/// How many rows a statement writes.
const PORTION: usize = 5000;

const KEYS: [&str; 2] = [
    "INSERT INTO identity (name, registered, registered_by) SELECT value ->> 0, 1790000000, 'ops' FROM json_each($1)",
    "INSERT INTO known_key (thumbprint, identity, role, issued_from, registered, registered_by, changed) \
     SELECT value ->> 1, value ->> 0, 'identity', 0, 1790000000, 'ops', 1 FROM json_each($1)",
];

const PACKS: [&str; 2] = [
    "INSERT INTO pack (guid, spelled, rules, registered, registered_by, changed) \
     SELECT value ->> 0, value ->> 0, value ->> 1, 1790000000, 'ops', 1 FROM json_each($1)",
    "INSERT INTO pack_token (mac, pack, name, serial, created, created_by, changed) \
     SELECT value ->> 2, value ->> 0, 'default', 1, 1790000000, 'ops', 1 FROM json_each($1)",
];

async fn put(database: &mut SqliteConnection, rows: &str, statements: [&'static str; 2]) -> Outcome<()> {
    for statement in statements {
        sqlx::query(statement).bind(rows).execute(&mut *database).await?;
    }
    Ok(())
}

/// 32 bytes that look random, in base64url.
fn random(seed: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(digest(&SHA256, seed).as_ref())
}

/// The guid of a pack, and its rules.
fn pack(number: u32, users: u32) -> (String, String) {
    let random = digest(&SHA256, &number.to_be_bytes());
    let hex: String = random.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let guid = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-");
    let user = |more: u32| format!("user-{}", (number + more) % users);
    let rules = serde_json::json!({
        "accept": ["signed", "token"],
        "owner": user(0),
        "allowed_users": [user(1), user(2), "sales@acme"],
        "agents": [
            {"name": "PublicWeather", "allowed_users": "*"},
            {"name": "InternalCRMQuery", "allowed_users": [user(1)]},
        ],
    });
    (guid, rules.to_string())
}
