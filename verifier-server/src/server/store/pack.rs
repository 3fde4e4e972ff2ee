//! Packs and tokens, written down.

use envelope_core::{Timestamp, pack_key};

use super::rows::{moment, seconds};
use super::{Change, News, PORTION, Store, StoreError};

/// A row of `pack`.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct PackRow {
    /// As its [`pack_key`].
    pub(crate) guid: String,
    /// As whoever registered it wrote it.
    pub(crate) spelled: String,
    /// JSON.
    pub(crate) rules: String,
    registered: i64,
    pub(crate) registered_by: Option<String>,
    pub(crate) deployment: Option<String>,
    deployed: Option<i64>,
    removed: Option<i64>,
    changed: i64,
}

impl PackRow {
    /// Since when it is registered.
    pub(crate) fn registered(&self) -> Result<Timestamp, StoreError> {
        moment(self.registered)
    }

    /// When the deployment was that may be repeated.
    pub(crate) fn deployed(&self) -> Result<Option<Timestamp>, StoreError> {
        self.deployed.map(moment).transpose()
    }

    /// Whether it is registered no more.
    pub(crate) const fn is_removed(&self) -> bool {
        self.removed.is_some()
    }
}

/// A row of `pack_token`.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct TokenRow {
    /// The keyed hash, in base64url.
    pub(crate) mac: String,
    pub(crate) pack: String,
    pub(crate) name: String,
    serial: i64,
    created: i64,
    pub(crate) created_by: Option<String>,
    expires: Option<i64>,
    last_used: Option<i64>,
    changed: i64,
}

impl TokenRow {
    pub(crate) fn serial(&self) -> Result<u64, StoreError> {
        u64::try_from(self.serial).map_err(|_| StoreError::Row)
    }

    pub(crate) fn created(&self) -> Result<Timestamp, StoreError> {
        moment(self.created)
    }

    pub(crate) fn expires(&self) -> Result<Option<Timestamp>, StoreError> {
        self.expires.map(moment).transpose()
    }

    pub(crate) fn last_used(&self) -> Result<Option<Timestamp>, StoreError> {
        self.last_used.map(moment).transpose()
    }

    /// Whether it opens anything.
    pub(crate) fn is_live(&self, now: Timestamp) -> Result<bool, StoreError> {
        Ok(self.expires()?.is_none_or(|end| now < end))
    }
}

/// A registration to be written down.
#[derive(Debug)]
pub(crate) struct NewPack<'a> {
    pub(crate) guid: &'a str,
    pub(crate) rules: &'a str,
    pub(crate) by: Option<&'a str>,
    pub(crate) deployment: Option<&'a str>,
}

impl Change {
    /// What is written down of a pack, also of one that was removed.
    pub(crate) async fn pack(&mut self, guid: &str) -> Result<Option<PackRow>, StoreError> {
        Ok(sqlx::query_as("SELECT * FROM pack WHERE guid = $1")
            .bind(pack_key(guid).into_owned())
            .fetch_optional(&mut *self.connection)
            .await?)
    }

    /// Writes a pack down, in place of what there was: without a deployment, none may be repeated any more. Who registered it, and
    /// when, stays until it is removed.
    pub(crate) async fn put_pack(&mut self, pack: &NewPack<'_>) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO pack (guid, spelled, rules, registered, registered_by, deployment, deployed, removed, changed) \
             VALUES ($1, $2, $3, $4, $5, $6, $4, NULL, $7) ON CONFLICT (guid) DO UPDATE SET \
             spelled = excluded.spelled, rules = excluded.rules, changed = excluded.changed, \
             deployment = excluded.deployment, deployed = excluded.deployed, \
             registered_by = CASE WHEN pack.removed IS NULL THEN pack.registered_by ELSE excluded.registered_by END, \
             registered = CASE WHEN pack.removed IS NULL THEN pack.registered ELSE excluded.registered END, \
             removed = NULL",
        )
        .bind(pack_key(pack.guid).into_owned())
        .bind(pack.guid)
        .bind(pack.rules)
        .bind(seconds(self.now))
        .bind(pack.by)
        .bind(pack.deployment)
        .bind(self.number)
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Removes a pack, and ends its tokens.
    pub(crate) async fn remove_pack(&mut self, guid: &str) -> Result<(), StoreError> {
        sqlx::query("UPDATE pack SET removed = $1, deployment = NULL, changed = $2 WHERE guid = $3")
            .bind(seconds(self.now))
            .bind(self.number)
            .bind(pack_key(guid).into_owned())
            .execute(&mut *self.connection)
            .await?;
        self.end_tokens(guid, None, self.now).await?;
        Ok(())
    }

    /// From now on the deployment of a pack is none that may be repeated.
    pub(crate) async fn end_repetition(&mut self, guid: &str) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE pack SET deployment = NULL, changed = $1 WHERE guid = $2 AND deployment IS NOT NULL",
        )
        .bind(self.number)
        .bind(pack_key(guid).into_owned())
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// The tokens of a pack, in the order in which they were made.
    pub(crate) async fn tokens(&mut self, guid: &str) -> Result<Vec<TokenRow>, StoreError> {
        Ok(sqlx::query_as("SELECT * FROM pack_token WHERE pack = $1 ORDER BY created, name, serial")
            .bind(pack_key(guid).into_owned())
            .fetch_all(&mut *self.connection)
            .await?)
    }

    /// The token with this keyed hash.
    pub(crate) async fn token(&mut self, mac: &str) -> Result<Option<TokenRow>, StoreError> {
        Ok(sqlx::query_as("SELECT * FROM pack_token WHERE mac = $1")
            .bind(mac)
            .fetch_optional(&mut *self.connection)
            .await?)
    }

    /// Ends the tokens of a pack at a moment, those of one name where it is given, unless they end before. Gives how many were
    /// live.
    pub(crate) async fn end_tokens(
        &mut self,
        guid: &str,
        name: Option<&str>,
        end: Timestamp,
    ) -> Result<u64, StoreError> {
        let ended = sqlx::query(
            "UPDATE pack_token SET expires = $1, changed = $2 WHERE pack = $3 AND (name = $4 OR $4 IS NULL) \
             AND (expires IS NULL OR expires > $1)",
        )
        .bind(seconds(end))
        .bind(self.number)
        .bind(pack_key(guid).into_owned())
        .bind(name)
        .execute(&mut *self.connection)
        .await?;
        Ok(ended.rows_affected())
    }

    /// Writes a token down by its keyed hash, with the next serial of its name; gives that. Those that ended before this change are
    /// taken out, but for the last of each name, which keeps the count.
    pub(crate) async fn put_token(
        &mut self,
        mac: &str,
        guid: &str,
        name: &str,
        expires: Option<Timestamp>,
        by: Option<&str>,
    ) -> Result<u64, StoreError> {
        let guid = pack_key(guid).into_owned();
        sqlx::query(
            "DELETE FROM pack_token WHERE pack = $1 AND expires <= $2 AND changed < $3 AND serial < \
             (SELECT MAX(serial) FROM pack_token AS last WHERE last.pack = $1 AND last.name = pack_token.name)",
        )
        .bind(&guid)
        .bind(seconds(self.now))
        .bind(self.number)
        .execute(&mut *self.connection)
        .await?;
        let serial: i64 = sqlx::query_scalar(
            "SELECT COALESCE(MAX(serial), 0) + 1 FROM pack_token WHERE pack = $1 AND name = $2",
        )
        .bind(&guid)
        .bind(name)
        .fetch_one(&mut *self.connection)
        .await?;
        sqlx::query(
            "INSERT INTO pack_token (mac, pack, name, serial, created, created_by, expires, changed) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(mac)
        .bind(guid)
        .bind(name)
        .bind(serial)
        .bind(seconds(self.now))
        .bind(by)
        .bind(expires.map(seconds))
        .bind(self.number)
        .execute(&mut *self.connection)
        .await?;
        u64::try_from(serial).map_err(|_| StoreError::Row)
    }

    /// Notes when a token was last used. Nothing is decided by it, so nobody is told of the change.
    pub(crate) async fn used(&mut self, mac: &str, at: Timestamp) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE pack_token SET last_used = $1 WHERE mac = $2 AND (last_used IS NULL OR last_used < $1)",
        )
        .bind(seconds(at))
        .bind(mac)
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }
}

impl Store {
    /// The tokens of a pack that are live, as they are at this moment.
    pub(crate) async fn live_tokens(&self, guid: &str, now: Timestamp) -> Result<Vec<TokenRow>, StoreError> {
        Ok(sqlx::query_as(
            "SELECT * FROM pack_token WHERE pack = $1 AND (expires IS NULL OR expires > $2) \
             ORDER BY created, name, serial",
        )
        .bind(pack_key(guid).into_owned())
        .bind(seconds(now))
        .fetch_all(&self.writer)
        .await?)
    }
}

impl News<'_> {
    /// Packs that were written after a change.
    pub(crate) async fn packs(
        &mut self,
        after: i64,
        mut take: impl FnMut(PackRow) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        if after == 0 {
            let all = "SELECT rowid AS place, * FROM pack WHERE rowid > $1 ORDER BY rowid LIMIT $2";
            return self.all(all, take).await;
        }
        let mut last = (after.saturating_add(1), String::new());
        loop {
            let rows: Vec<PackRow> = sqlx::query_as(
                "SELECT * FROM pack WHERE (changed, guid) > ($1, $2) ORDER BY changed, guid LIMIT $3",
            )
            .bind(last.0)
            .bind(&last.1)
            .bind(PORTION)
            .fetch_all(&mut *self.reader)
            .await?;
            let Some(row) = rows.last() else { return Ok(()) };
            last = (row.changed, row.guid.clone());
            rows.into_iter().try_for_each(&mut take)?;
        }
    }

    /// The same for tokens.
    pub(crate) async fn tokens(
        &mut self,
        after: i64,
        mut take: impl FnMut(TokenRow) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        if after == 0 {
            let all = "SELECT rowid AS place, * FROM pack_token WHERE rowid > $1 ORDER BY rowid LIMIT $2";
            return self.all(all, take).await;
        }
        let mut last = (after.saturating_add(1), String::new());
        loop {
            let rows: Vec<TokenRow> = sqlx::query_as(
                "SELECT * FROM pack_token WHERE (changed, mac) > ($1, $2) ORDER BY changed, mac LIMIT $3",
            )
            .bind(last.0)
            .bind(&last.1)
            .bind(PORTION)
            .fetch_all(&mut *self.reader)
            .await?;
            let Some(row) = rows.last() else { return Ok(()) };
            last = (row.changed, row.mac.clone());
            rows.into_iter().try_for_each(&mut take)?;
        }
    }
}

#[cfg(test)]
impl PackRow {
    /// A row that no database has written.
    pub(crate) fn for_test(guid: &str, rules: &str) -> Self {
        Self {
            guid: guid.into(),
            spelled: guid.into(),
            rules: rules.into(),
            registered: 1,
            registered_by: None,
            deployment: None,
            deployed: None,
            removed: None,
            changed: 1,
        }
    }
}

#[cfg(test)]
impl TokenRow {
    /// The same of a token that has no end.
    pub(crate) fn for_test(mac: &str, pack: &str) -> Self {
        Self {
            mac: mac.into(),
            pack: pack.into(),
            name: "default".into(),
            serial: 1,
            created: 1,
            created_by: None,
            expires: None,
            last_used: None,
            changed: 1,
        }
    }
}
