//! What an admin is shown: keys and identities, page by page.

use std::collections::BTreeMap;

use envelope_core::{Identity, Record, Role, Timestamp};
use serde::Serialize;

use super::rows::{KeyRow, moment};
use super::{Store, StoreError};

/// How many keys, or identities, a page has.
const PAGE: i64 = 1000;

/// All that an admin is told of a key.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct KeyFacts {
    key: String,
    identity: Option<String>,
    role: Option<&'static str>,
    expires: Option<u64>,
    issued_from: u64,
    revoked: bool,
    successor: Option<String>,
    registered: Option<u64>,
    registered_by: Option<String>,
}

impl KeyFacts {
    /// Of a key that only the configuration knows.
    pub(crate) fn configured(record: &Record) -> Self {
        Self {
            key: record.key.to_string(),
            identity: record.owner().map(ToString::to_string),
            role: match record.role {
                Role::Nobodys => None,
                Role::IdentityKey(_) => Some("identity"),
                Role::CallKey(..) => Some("call"),
            },
            expires: record.expires.map(Timestamp::as_unix),
            issued_from: record.issued_from.as_unix(),
            revoked: record.revoked,
            successor: record.successor.map(|key| key.to_string()),
            registered: None,
            registered_by: None,
        }
    }

    fn stored(row: KeyRow, combine: &impl Fn(Record) -> Option<Record>) -> Result<Self, StoreError> {
        let facts = Self::configured(&combine(row.record()?).ok_or(StoreError::Row)?);
        // A key without a role was narrowed or revoked here; if anybody knows whose it is, then the configuration.
        let Some(_) = row.role else { return Ok(facts) };
        let registered = Some(moment(row.registered)?.as_unix());
        Ok(Self { registered, registered_by: row.registered_by, ..facts })
    }
}

/// Some keys, in the order of their thumbprints as text.
#[derive(Debug, Serialize)]
pub(crate) struct KeyPage {
    pub(crate) keys: Vec<KeyFacts>,
    /// Where the next page begins: after this key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

/// An identity with its keys.
#[derive(Debug, Serialize)]
pub(crate) struct IdentityFacts {
    pub(crate) identity: String,
    registered: Option<u64>,
    registered_by: Option<String>,
    pub(crate) keys: Vec<KeyFacts>,
}

/// Some identities, in the order of their names.
#[derive(Debug, Serialize)]
pub(crate) struct IdentityPage {
    pub(crate) identities: Vec<IdentityFacts>,
    /// Where the next page begins: after this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

impl IdentityPage {
    /// Puts the keys that belong to somebody only by the configuration to their identities; those that are not on the page come first.
    pub(crate) fn put_configured(&mut self, records: &[Record]) {
        let mut others: BTreeMap<String, Vec<KeyFacts>> = BTreeMap::new();
        for record in records {
            let Some(owner) = record.owner().map(Identity::as_str) else { continue };
            let facts = KeyFacts::configured(record);
            match self.identities.iter_mut().find(|known| known.identity == owner) {
                Some(known) => known.keys.push(facts),
                None => others.entry(owner.into()).or_default().push(facts),
            }
        }
        let others = others.into_iter().map(|(identity, keys)| IdentityFacts {
            identity,
            registered: None,
            registered_by: None,
            keys,
        });
        self.identities.splice(..0, others);
    }
}

#[derive(sqlx::FromRow)]
struct IdentityRow {
    name: String,
    registered: i64,
    registered_by: Option<String>,
}

impl Store {
    /// How many keys and identities there are.
    pub(crate) async fn counts(&self) -> Result<(i64, i64), StoreError> {
        let counts = "SELECT (SELECT COUNT(*) FROM known_key), (SELECT COUNT(*) FROM identity)";
        Ok(sqlx::query_as(counts).fetch_one(&self.writer).await?)
    }

    /// Whether an identity has a key.
    pub(crate) async fn has_key_of(&self, identity: &Identity) -> Result<bool, StoreError> {
        let found: Option<i64> =
            sqlx::query_scalar("SELECT registered FROM known_key WHERE identity = $1 LIMIT 1")
                .bind(identity.as_str())
                .fetch_optional(&self.writer)
                .await?;
        Ok(found.is_some())
    }

    /// What is written down of one key.
    pub(crate) async fn key_facts(
        &self,
        key: &str,
        combine: &impl Fn(Record) -> Option<Record>,
    ) -> Result<Option<KeyFacts>, StoreError> {
        let row: Option<KeyRow> = sqlx::query_as("SELECT * FROM known_key WHERE thumbprint = $1")
            .bind(key)
            .fetch_optional(&self.writer)
            .await?;
        row.map(|row| KeyFacts::stored(row, combine)).transpose()
    }

    /// The keys after one.
    pub(crate) async fn keys(
        &self,
        after: &str,
        combine: &impl Fn(Record) -> Option<Record>,
    ) -> Result<KeyPage, StoreError> {
        let rows: Vec<KeyRow> =
            sqlx::query_as("SELECT * FROM known_key WHERE thumbprint > $1 ORDER BY thumbprint LIMIT $2")
                .bind(after)
                .bind(PAGE)
                .fetch_all(&self.writer)
                .await?;
        let next = next(&rows, |row| row.thumbprint.clone());
        let keys = rows.into_iter().map(|row| KeyFacts::stored(row, combine)).collect::<Result<_, _>>()?;
        Ok(KeyPage { keys, next })
    }

    /// The identities after one, with their keys.
    pub(crate) async fn identities(
        &self,
        after: &str,
        combine: &impl Fn(Record) -> Option<Record>,
    ) -> Result<IdentityPage, StoreError> {
        let rows: Vec<IdentityRow> =
            sqlx::query_as("SELECT * FROM identity WHERE name > $1 ORDER BY name LIMIT $2")
                .bind(after)
                .bind(PAGE)
                .fetch_all(&self.writer)
                .await?;
        let keys: Vec<KeyRow> = sqlx::query_as(
            "SELECT * FROM known_key WHERE identity IN \
             (SELECT name FROM identity WHERE name > $1 ORDER BY name LIMIT $2) ORDER BY thumbprint",
        )
        .bind(after)
        .bind(PAGE)
        .fetch_all(&self.writer)
        .await?;
        let next = next(&rows, |row| row.name.clone());
        let mut keys_of: BTreeMap<String, Vec<KeyFacts>> = BTreeMap::new();
        for row in keys {
            let identity = row.identity.clone().unwrap_or_default();
            keys_of.entry(identity).or_default().push(KeyFacts::stored(row, combine)?);
        }
        let identities = rows.into_iter().map(|row| {
            Ok(IdentityFacts {
                keys: keys_of.remove(&row.name).unwrap_or_default(),
                registered: Some(moment(row.registered)?.as_unix()),
                registered_by: row.registered_by,
                identity: row.name,
            })
        });
        Ok(IdentityPage { identities: identities.collect::<Result<_, StoreError>>()?, next })
    }
}

/// Where the next page begins, when this one is full.
fn next<T>(rows: &[T], name: impl Fn(&T) -> String) -> Option<String> {
    let is_full = i64::try_from(rows.len()).is_ok_and(|count| count >= PAGE);
    rows.last().filter(|_| is_full).map(name)
}
