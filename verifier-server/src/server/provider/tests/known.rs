//! What was asked is known for a while; who asks at the same time asks once; and not too many ask at once.

use super::super::cache::Cache;
use super::fake_github::Behaviour;
use super::*;

fn alice() -> (FakeGithub, Providers) {
    let github = FakeGithub::start();
    github.token("gho_alice", "alice", &[], &[]);
    let providers = with_github(&github);
    (github, providers)
}

/// Somebody, and how often they have been asked about.
async fn look_up(cache: &Cache, token: &str, count: &std::cell::Cell<usize>) -> Option<Arc<User>> {
    let question = async {
        count.set(count.get() + 1);
        Ok((!token.starts_with("bad")).then(|| User {
            identity: Identity::new(token).unwrap(),
            name: token.into(),
            groups: Vec::new(),
        }))
    };
    cache.recall_or(token, question).await.unwrap()
}

#[tokio::test]
async fn a_good_token_is_known_for_five_minutes() {
    let (github, providers) = alice();
    let alice = user("github:alice", &[]);
    assert_eq!(providers.recall("gho_alice").await, None);
    assert_eq!(providers.check("gho_alice").await, alice);
    github.revoke("gho_alice");
    pass(5 * MINUTE - MOMENT).await;
    assert_eq!(providers.recall("gho_alice").await.map(Ok), Some(alice.clone()));
    assert_eq!(providers.check("gho_alice").await, alice);
    assert_eq!(github.server.count("/user"), 1);
    pass(MOMENT).await;
    assert_eq!(providers.recall("gho_alice").await, None);
    assert_eq!(providers.check("gho_alice").await, Ok(None));
}

#[tokio::test]
async fn a_bad_token_is_known_for_a_minute() {
    let (github, providers) = alice();
    assert_eq!(providers.check("gho_bob").await, Ok(None));
    github.token("gho_bob", "bob", &[], &[]);
    pass(MINUTE - MOMENT).await;
    assert_eq!(providers.recall("gho_bob").await, Some(None));
    assert_eq!(providers.check("gho_bob").await, Ok(None));
    assert_eq!(github.server.count("/user"), 1);
    pass(MOMENT).await;
    assert_eq!(providers.recall("gho_bob").await, None);
    assert_eq!(providers.check("gho_bob").await, user("github:bob", &[]));
}

#[tokio::test]
async fn what_is_known_holds_while_github_is_down() {
    let (github, providers) = alice();
    github.token("gho_bob", "bob", &[], &[]);
    assert!(providers.check("gho_alice").await.is_ok());
    github.behave(Behaviour::Down);
    assert_eq!(providers.check("gho_alice").await, user("github:alice", &[]));
    assert_eq!(providers.check("gho_bob").await, Err(Unavailable::Unreachable));
    pass(5 * MINUTE).await;
    assert_eq!(providers.check("gho_alice").await, Err(Unavailable::Unreachable));
    github.behave(Behaviour::Ok);
    assert_eq!(providers.check("gho_alice").await, user("github:alice", &[]));
}

#[tokio::test]
async fn fifty_who_ask_at_once_ask_once() {
    for (fault, answer) in [
        (Behaviour::Ok, user("github:alice", &[])),
        (Behaviour::Status(500), Err(Unavailable::Status(StatusCode::INTERNAL_SERVER_ERROR))),
    ] {
        let (github, providers) = alice();
        let providers = Arc::new(providers);
        github.behave(Behaviour::Slow);
        let checks: Vec<_> = (0..50)
            .map(|_| {
                let providers = Arc::clone(&providers);
                tokio::spawn(async move { providers.check("gho_alice").await })
            })
            .collect();
        until(|| github.server.waiting() == 1).await;
        github.behave(fault);
        for check in checks {
            assert_eq!(check.await.unwrap(), answer);
        }
        assert_eq!(github.server.count("/user"), 1);
    }
}

#[tokio::test]
async fn who_goes_away_leaves_the_question_to_the_next() {
    let (github, providers) = alice();
    let providers = Arc::new(providers);
    github.behave(Behaviour::Slow);
    let check = |providers: &Arc<Providers>| {
        let providers = Arc::clone(providers);
        tokio::spawn(async move { providers.check("gho_alice").await })
    };
    let first = check(&providers);
    until(|| github.server.waiting() == 1).await;
    let second = check(&providers);
    tokio::task::yield_now().await;
    first.abort();
    until(|| github.server.waiting() == 2).await;
    github.behave(Behaviour::Ok);
    assert_eq!(second.await.unwrap(), user("github:alice", &[]));
}

#[tokio::test]
async fn sixteen_are_asked_about_at_once() {
    let (github, providers) = alice();
    let providers = Arc::new(providers);
    github.behave(Behaviour::Slow);
    let checks: Vec<_> = (0..40)
        .map(|number| {
            let (token, providers) = (format!("gho_{number}"), Arc::clone(&providers));
            github.token(&token, &format!("user-{number}"), &[], &[]);
            tokio::spawn(async move { providers.check(&token).await })
        })
        .collect();
    until(|| github.server.waiting() == 16).await;
    // As long as others would need to come as well.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(github.server.waiting(), 16);
    github.behave(Behaviour::Ok);
    for check in checks {
        assert!(check.await.unwrap().unwrap().is_some());
    }
    assert_eq!(github.server.most_at_once(), 16);
}

/// Time passes whenever nothing else happens.
#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_ten_seconds_for_their_turn() {
    let (github, providers) = alice();
    let providers = Arc::new(providers);
    github.behave(Behaviour::Slow);
    let begun = tokio::time::Instant::now();
    let checks: Vec<_> = (0..100)
        .map(|number| {
            let providers = Arc::clone(&providers);
            tokio::spawn(async move { providers.check(&format!("gho_{number}")).await })
        })
        .collect();
    for check in checks {
        assert_eq!(check.await.unwrap(), Err(Unavailable::Late));
    }
    assert!(begun.elapsed() < Duration::from_secs(11), "{:?}", begun.elapsed());
    assert!(github.server.asked().len() <= 32);
}

#[tokio::test]
async fn ten_thousand_tokens_are_known_and_those_in_use_stay() {
    let (cache, count) = (Cache::new(), std::cell::Cell::new(0));
    for _ in 0..20 {
        look_up(&cache, "alice", &count).await;
    }
    assert_eq!(count.get(), 1);
    for number in 0..12_000 {
        look_up(&cache, &format!("bad-{number}"), &count).await;
        if number % 100 == 0 {
            look_up(&cache, "alice", &count).await;
        }
    }
    assert_eq!(count.get(), 12_001, "alice has been asked about again");
    let known = cache.len().await;
    assert!((9_000..=10_000).contains(&known), "{known}");
    assert!(!format!("{cache:?}").contains("alice"));
}

#[tokio::test]
async fn what_has_run_out_is_asked_about_once_by_many() {
    let (cache, count) = (Cache::new(), std::cell::Cell::new(0));
    look_up(&cache, "alice", &count).await;
    pass(5 * MINUTE).await;
    assert!(cache.recall("alice").await.is_none());
    for _ in 0..3 {
        look_up(&cache, "alice", &count).await;
    }
    assert_eq!(count.get(), 2);
}

/// The log at its most talkative, of all crates.
#[tokio::test]
async fn a_token_is_in_no_log_no_error_and_no_debug_output() {
    use tracing_subscriber::fmt::MakeWriter;

    #[derive(Clone, Default)]
    struct Log(Arc<std::sync::Mutex<Vec<u8>>>);
    impl std::io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    impl<'a> MakeWriter<'a> for Log {
        type Writer = Self;
        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    let log = Log::default();
    // Twice: what other tests log for the first time at this moment may seem to have no listener until there is a new one.
    for _ in 0..2 {
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
            .with_writer(log.clone())
            .finish();
        let _guard = tracing::subscriber::set_default(subscriber);
        let (github, providers) = alice();
        github.token("gho_topsecret", "alice", &[], &[]);
        github.without_scope("gho_topsecret");
        for fault in [Behaviour::Down, Behaviour::Malformed, Behaviour::RateLimited, Behaviour::Ok] {
            github.behave(fault);
            let answer = providers.check("gho_topsecret").await;
            assert!(!format!("{answer:?} {providers:?}").contains("topsecret"));
        }
        github.token("gho_topsecret2", "bob", &[], &[]);
        github.without_scope("gho_topsecret2");
        assert_eq!(providers.check("gho_topsecret2").await, user("github:bob", &[]));
    }
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    // Once for each verifier.
    assert!((1..=2).contains(&log.matches("no groups").count()), "{log}");
    assert!(!log.contains("topsecret"), "{log}");
}
