//! Stores with very many keys and packs. The program makes the file, its tables and its key; the rows are written here as it would
//! write them, since a million signed requests to do so would take longer than everything that is measured.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use base64ct::{Base64UrlUnpadded, Encoding};
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::DecodePrivateKey;
use envelope_verifier::Clock;
use envelope_verifier::server::{Flags, Known};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use crate::Outcome;
use crate::callers::{PACK, people};

/// What a configuration and its store come to.
pub(crate) async fn open(config: &Path) -> Outcome<Known> {
    let config = Flags::read(config)?.resolve()?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 7998));
    Ok(Known::open(&config, address, &Clock::system()).await?)
}

/// The token of a pack, as long and as random to look at as one that the program makes.
pub(crate) fn token_of(guid: &str) -> String {
    let secret = digest(&SHA256, guid.as_bytes());
    format!("tok_{}", Base64UrlUnpadded::encode_string(secret.as_ref()))
}

/// Adds so many keys, each of an identity of its own, and so many packs with a token each, to the store of a configuration: those
/// of the callers and the pack that they call come with them.
pub(crate) fn fill(config: &Path, keys: u32, packs: u32) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        drop(open(config).await?);
        let path = Flags::read(config)?.resolve()?.store.ok_or("the configuration has no store")?;
        let issuer = std::fs::read_to_string(path.with_extension("issuer.pem"))?;
        let issuer = SigningKey::from_pkcs8_pem(&issuer)?;
        let token_key = sign(&Key::new(HMAC_SHA256, &issuer.to_bytes()), b"envelope: the key of pack tokens");
        let token_key = Key::new(HMAC_SHA256, token_key.as_ref());
        let mut database = SqliteConnectOptions::new().filename(&path).connect().await?;
        let mut transaction = database.begin().await?;
        let written: &mut SqliteConnection = &mut transaction;
        sqlx::query("UPDATE change SET value = 1").execute(&mut *written).await?;
        for person in people()? {
            let key = person.identity_key.verifying_key().thumbprint().to_string();
            put_key(written, &person.name, &key).await?;
        }
        for number in 0..keys {
            let key = digest(&SHA256, &number.to_le_bytes());
            put_key(written, &format!("user-{number}"), &Base64UrlUnpadded::encode_string(key.as_ref())).await?;
        }
        put_pack(written, PACK, r#"{"accept":["signed","token"],"allowed_users":null}"#, &token_key).await?;
        for number in 0..packs {
            let random = digest(&SHA256, &number.to_be_bytes());
            let hex: String = random.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
            let guid = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-");
            let user = |more: u32| format!("user-{}", (number + more) % keys.max(1));
            let rules = format!(
                r#"{{"accept":["signed","token"],"owner":"{}","allowed_users":["{}","{}","sales@acme"],"agents":[{{"name":"PublicWeather","allowed_users":"*"}},{{"name":"InternalCRMQuery","allowed_users":["{}"]}}]}}"#,
                user(0),
                user(1),
                user(2),
                user(1)
            );
            put_pack(written, &guid, &rules, &token_key).await?;
        }
        transaction.commit().await?;
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut database).await?;
        database.close().await?;
        Ok(())
    })
}

async fn put_key(database: &mut SqliteConnection, identity: &str, thumbprint: &str) -> Outcome<()> {
    sqlx::query("INSERT INTO identity (name, registered, registered_by) VALUES ($1, 1790000000, 'ops')")
        .bind(identity)
        .execute(&mut *database)
        .await?;
    sqlx::query(
        "INSERT INTO known_key (thumbprint, identity, role, issued_from, registered, registered_by, changed) \
         VALUES ($1, $2, 'identity', 0, 1790000000, 'ops', 1)",
    )
    .bind(thumbprint)
    .bind(identity)
    .execute(database)
    .await?;
    Ok(())
}

async fn put_pack(database: &mut SqliteConnection, guid: &str, rules: &str, token_key: &Key) -> Outcome<()> {
    sqlx::query(
        "INSERT INTO pack (guid, spelled, rules, registered, registered_by, changed) VALUES ($1, $1, $2, 1790000000, 'ops', 1)",
    )
    .bind(guid)
    .bind(rules)
    .execute(&mut *database)
    .await?;
    let mac = Base64UrlUnpadded::encode_string(sign(token_key, token_of(guid).as_bytes()).as_ref());
    sqlx::query(
        "INSERT INTO pack_token (mac, pack, name, serial, created, created_by, changed) \
         VALUES ($1, $2, 'default', 1, 1790000000, 'ops', 1)",
    )
    .bind(mac)
    .bind(guid)
    .execute(database)
    .await?;
    Ok(())
}
