//! A disk that is full: what was answered is there, also after it had been full twice.

use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::{ConnectOptions, SqliteConnection};

use super::*;
use crate::clock::Clock;

/// The database may grow by no page more, on the connection of the next change.
async fn fill(store: &Store) {
    let mut writer = store.writer.acquire().await.unwrap();
    let pages: i64 = sqlx::query_scalar("PRAGMA page_count").fetch_one(&mut *writer).await.unwrap();
    let limit = format!("PRAGMA max_page_count = {pages}");
    sqlx::query(sqlx::AssertSqlSafe(limit)).execute(&mut *writer).await.unwrap();
}

/// There is room again, whichever connection the next change has.
async fn empty(store: &Store) {
    let mut writer = store.writer.acquire().await.unwrap();
    sqlx::query("PRAGMA max_page_count = 1000000").execute(&mut *writer).await.unwrap();
}

/// A change that needs many pages.
async fn write(store: &Store, digest: &str) -> Result<i64, StoreError> {
    let mut change = store.change(&Clock::system()).await?;
    change.keep_statement(digest, &"x".repeat(1 << 20)).await?;
    change.commit().await
}

/// Another one, by a plain insertion.
async fn write_ticket(store: &Store) -> Result<i64, StoreError> {
    let mut change = store.change(&Clock::system()).await?;
    let ticket = Ticket {
        identity: envelope_core::Identity::new("alice").unwrap(),
        created: change.now(),
        created_by: "x".repeat(1 << 20),
        expires: change.now(),
        used: None,
    };
    change.issue_ticket("ticket", &ticket).await?;
    change.commit().await
}

async fn reader(store: &Store) -> SqliteConnection {
    sqlx::sqlite::SqliteConnectOptions::new().filename(store.path()).connect().await.unwrap()
}

#[tokio::test]
async fn after_a_full_disk_a_change_that_succeeds_is_there_for_others() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("store.sqlite")).await.unwrap();
    assert_eq!(write(&store, "before").await.unwrap(), 1);
    // SQLite ends the whole transaction after the one, and only the statement after the other.
    fill(&store).await;
    let error = write_ticket(&store).await.unwrap_err();
    assert!(error.to_string().contains("full"), "{error}");
    fill(&store).await;
    let error = write(&store, "second").await.unwrap_err();
    assert!(error.to_string().contains("full"), "{error}");
    empty(&store).await;
    let number = write(&store, "after").await.unwrap();
    let mut other = reader(&store).await;
    let seen: i64 = sqlx::query_scalar("SELECT value FROM change").fetch_one(&mut other).await.unwrap();
    assert_eq!((number, seen), (2, 2));
    let statements: Vec<String> = sqlx::query_scalar("SELECT digest FROM statement ORDER BY digest")
        .fetch_all(&mut other)
        .await
        .unwrap();
    assert_eq!(statements, ["after", "before"]);
}

#[tokio::test]
async fn a_change_that_is_given_up_was_never_made_and_the_next_one_has_its_turn() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("store.sqlite")).await.unwrap();
    let mut change = store.change(&Clock::system()).await.unwrap();
    change.keep_statement("given up", "x").await.unwrap();
    drop(change);
    assert_eq!(write(&store, "kept").await.unwrap(), 1);
}

/// Whoever waits for a turn decides by the time at which it comes.
#[tokio::test]
async fn the_time_of_a_change_is_that_of_its_turn() {
    static NOW: AtomicU64 = AtomicU64::new(100);
    let clock = Clock::new(|| envelope_core::Timestamp::from_unix(NOW.load(Ordering::SeqCst)));
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("store.sqlite")).await.unwrap();
    let first = store.change(&clock).await.unwrap();
    let (second, ()) = tokio::join!(store.change(&clock), async {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        NOW.store(200, Ordering::SeqCst);
        drop(first);
    });
    assert_eq!(second.unwrap().now().as_unix(), 200);
}
