//! What GitHub says becomes a user, a refusal, or neither.

use super::fake_github::Behaviour;
use super::stand_in::{StandIn, Told};
use super::*;

/// The paths that a check asks for, in order.
const PATHS: [&str; 3] = ["/user", "/user/orgs", "/user/teams"];

fn alice() -> (FakeGithub, Providers) {
    let github = FakeGithub::start();
    github.token("gho_alice", "Alice", &["Acme"], &["Sales@Acme"]);
    let providers = with_github(&github);
    (github, providers)
}

fn asked(github: &FakeGithub) -> Vec<String> {
    github.server.asked().iter().map(|asked| asked.target.clone()).collect()
}

#[tokio::test]
async fn a_token_is_that_of_a_user_with_groups() {
    let (github, providers) = alice();
    assert_eq!(providers.check("gho_alice").await, user("github:alice", &["acme", "sales@acme"]));
    assert_eq!(asked(&github), ["/user", "/user/orgs?per_page=100", "/user/teams?per_page=100"]);
    for asked in github.server.asked() {
        assert_eq!(asked.bearer(), Some("gho_alice"));
        assert_eq!(asked.field("accept"), Some("application/vnd.github+json"));
        assert_eq!(asked.field("x-github-api-version"), Some("2022-11-28"));
        assert!(asked.field("user-agent").unwrap().starts_with("envelope-verifier/"));
    }
}

#[tokio::test]
async fn an_enterprise_server_has_its_api_under_a_path() {
    let server = StandIn::start(|asked| {
        let is_user = asked.path() == "/api/v3/user";
        Some(Told::json(200, &if is_user { json!({ "login": "bob" }) } else { json!([]) }))
    });
    for api in [format!("{}/api/v3", server.url()), format!("{}/api/v3/", server.url())] {
        assert_eq!(providers(&github_at(&api)).check("ghp_bob").await, user("github:bob", &[]));
    }
    assert!(server.asked().iter().all(|asked| asked.path().starts_with("/api/v3/user")));
}

#[tokio::test]
async fn all_pages_are_read_up_to_ten() {
    let (github, providers) = alice();
    let many: Vec<_> = (0..1500).map(|number| format!("org-{number:04}")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    github.token("gho_bob", "bob", &many[..250], &[]);
    assert_eq!(providers.check("gho_bob").await, user("github:bob", &many[..250]));
    assert_eq!(github.server.count("/user/orgs"), 3);

    github.token("gho_carol", "carol", &many, &[]);
    assert_eq!(providers.check("gho_carol").await, user("github:carol", &many[..1000]));
    assert_eq!(github.server.count("/user/orgs"), 13);
}

#[tokio::test]
async fn the_token_goes_to_no_other_server() {
    let elsewhere = StandIn::start(|_| Some(Told::json(200, &json!([{ "login": "evil" }]))));
    let (github, providers) = alice();
    github.behave_at("/user/orgs", Behaviour::NextPage(format!("{}/user/orgs?page=2", elsewhere.url())));
    assert_eq!(providers.check("gho_alice").await, user("github:alice", &["acme", "sales@acme"]));

    let (github, providers) = alice();
    for path in PATHS {
        github.behave_at(path, Behaviour::Redirect(format!("{}{path}", elsewhere.url())));
        let moved = Err(Unavailable::Status(StatusCode::MOVED_PERMANENTLY));
        assert_eq!(providers.check("gho_alice").await, moved);
        github.behave_at(path, Behaviour::Ok);
    }
    assert!(elsewhere.asked().is_empty(), "{:?}", elsewhere.asked());
}

#[tokio::test]
async fn a_token_that_may_not_list_groups_has_none() {
    let (github, providers) = alice();
    github.without_scope("gho_alice");
    assert_eq!(providers.check("gho_alice").await, user("github:alice", &[]));
    for nothing in [
        Behaviour::Status(404),
        Behaviour::Forbidden("Resource not accessible by personal access token"),
        Behaviour::Field("x-ratelimit-remaining", "4999"),
    ] {
        let (github, providers) = alice();
        github.behave_at("/user/teams", nothing);
        assert_eq!(providers.check("gho_alice").await, user("github:alice", &["acme"]));
    }
}

#[tokio::test]
async fn github_says_that_a_token_is_no_good() {
    let (github, providers) = alice();
    assert_eq!(providers.check("gho_mallory").await, Ok(None));
    // An application's, which is no user's.
    github.behave_at("/user", Behaviour::Forbidden("Resource not accessible by integration"));
    assert_eq!(providers.check("ghs_application").await, Ok(None));
    // Revoked while it is being checked.
    for path in ["/user/orgs", "/user/teams"] {
        let (github, providers) = alice();
        github.behave_at(path, Behaviour::Status(401));
        assert_eq!(providers.check("gho_alice").await, Ok(None));
    }
}

#[tokio::test]
async fn faults_say_nothing_of_the_token_and_are_not_kept() {
    let status = |status| Err(Unavailable::Status(StatusCode::from_u16(status).unwrap()));
    let not_json = Err(Unavailable::Malformed("it is not the JSON that it should be"));
    for (fault, error) in [
        (Behaviour::RateLimited, Err(Unavailable::RateLimited)),
        (Behaviour::RetryAfter, Err(Unavailable::RateLimited)),
        (Behaviour::Field("Retry-After", "60"), Err(Unavailable::RateLimited)),
        (Behaviour::Field("x-ratelimit-remaining", "0"), Err(Unavailable::RateLimited)),
        (Behaviour::SecondaryLimit, Err(Unavailable::RateLimited)),
        (Behaviour::Status(500), status(500)),
        (Behaviour::Status(503), status(503)),
        (Behaviour::Status(204), status(204)),
        (Behaviour::Malformed, not_json.clone()),
        (Behaviour::Content("{}"), not_json.clone()),
        (Behaviour::Content("[{\"login\":7}]"), not_json),
        (Behaviour::Huge, Err(Unavailable::Malformed("it is longer than 1 MiB"))),
        (Behaviour::Down, Err(Unavailable::Unreachable)),
    ] {
        for (before, path) in PATHS.into_iter().enumerate() {
            let (github, providers) = alice();
            github.behave_at(path, fault.clone());
            assert_eq!(providers.check("gho_alice").await, error, "{fault:?} at {path}");
            assert_eq!(github.server.asked().len(), before + 1, "it is not asked twice");
            assert_eq!(providers.recall("gho_alice").await, None);
            github.behave_at(path, Behaviour::Ok);
            assert_eq!(providers.check("gho_alice").await, user("github:alice", &["acme", "sales@acme"]));
        }
    }
    // What is no fault of lists: there a token may be good without.
    for refused in [Behaviour::Status(404), Behaviour::Forbidden("Sorry. Your account was suspended")] {
        let (github, providers) = alice();
        github.behave_at("/user", refused);
        assert!(matches!(providers.check("gho_alice").await, Err(Unavailable::Status(_))));
    }
}

#[tokio::test]
async fn names_that_could_mean_somebody_else_are_refused() {
    for login in ["", "ali ce", "dependabot[bot]", "alice@acme", "a/b", "a:b", "älice", "*"] {
        let (github, providers) = alice();
        github.token("gho_odd", login, &[], &[]);
        assert!(matches!(providers.check("gho_odd").await, Err(Unavailable::Malformed(_))), "{login}");
        github.token("gho_odd", "alice", &[login], &[]);
        assert!(matches!(providers.check("gho_odd").await, Err(Unavailable::Malformed(_))), "{login}");
        github.token("gho_odd", "alice", &[], &[&format!("{login}@acme")]);
        assert!(matches!(providers.check("gho_odd").await, Err(Unavailable::Malformed(_))), "{login}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let providers = providers(&github_at(&format!("http://{address}")));
    assert_eq!(providers.check("gho_alice").await, Err(Unavailable::Unreachable));
}

/// Time passes whenever nothing else happens.
#[tokio::test(start_paused = true)]
async fn a_slow_answer_is_not_waited_for() {
    let (github, providers) = alice();
    github.behave(Behaviour::Slow);
    let begun = tokio::time::Instant::now();
    assert_eq!(providers.check("gho_alice").await, Err(Unavailable::Late));
    let taken = begun.elapsed();
    assert!(taken >= Duration::from_secs(5) && taken < Duration::from_secs(6), "{taken:?}");
}

#[tokio::test]
async fn tokens_that_cannot_be_githubs_are_not_sent_there() {
    let (github, providers) = alice();
    let long = "x".repeat(16 * 1024 + 1);
    for bearer in ["", "a b", "a\r\nb", "tok_secret", "rsk_secret", "ü", &long] {
        assert_eq!(providers.check(bearer).await, Ok(None));
        assert_eq!(providers.recall(bearer).await, Some(None));
    }
    assert!(github.server.asked().is_empty());
}
