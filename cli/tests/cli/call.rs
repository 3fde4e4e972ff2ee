//! `envelope call`: signs, sends, prints.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Stdio;

use crate::outside::{Home, Received, answer, done, failed, serve};

#[test]
fn the_server_gets_what_was_signed_and_the_answer_is_printed() {
    let home = Home::new();
    for alg in ["ed25519", "p256"] {
        let identity = home.keygen(alg, alg);
        let (authority, received) = serve(answer("201 Created", "X: y", "made"));
        let url = format!("http://{authority}/a/b?c=d'");
        let args = ["call", "POST", &url, "--body", "-", "-H", "X-A: 1", "--identity", alg];
        // The url crate writes a quote in a query as %27, which is not what is signed.
        assert!(failed(&home.run_with(args, b"{}"), 2).contains("another spelling"));
        let url = format!("http://{authority}/a/b?c=d");
        let args = ["call", "POST", &url, "--body", "-", "-H", "X-A: 1", "--identity", alg];
        assert_eq!(done(&home.run_with(args, b"{}")), "made");
        let received = received.recv().unwrap();
        assert_eq!((received.method.as_str(), received.target.as_str()), ("POST", "/a/b?c=d"));
        assert_eq!(received.body, b"{}");
        let base = received.judge(identity).unwrap().base().as_str().to_owned();
        assert!(base.contains("\"content-type\": application/json\n"), "{base}");
        assert!(base.contains("\"x-a\": 1\n"), "{base}");
    }
}

#[test]
fn without_a_body_there_is_none() {
    let home = Home::new();
    let identity = home.keygen("default", "ed25519");
    let (authority, received) = serve(answer("200 OK", "X: y", ""));
    assert_eq!(done(&home.run(["call", "GET", &format!("http://{authority}")])), "");
    let received = received.recv().unwrap();
    assert_eq!((received.target.as_str(), received.body.len()), ("/", 0));
    assert!(!received.header.to_ascii_lowercase().contains("content-"));
    received.judge(identity).unwrap();
}

#[test]
fn a_refusal_is_told_with_its_code_and_what_may_help() {
    let home = Home::new();
    home.keygen("default", "ed25519");
    for (code, server_time, hint) in [
        ("expired", 4_000_000_000_u64, " s behind the server's: set it right"),
        ("not-yet-valid", 1_000_000_000, " s ahead of the server's: set it right"),
        ("certificate-invalid", 1_000_000_000, " s ahead of the server's: set it right"),
        ("bad-signature", 1_000_000_000, "envelope key show prints it"),
        ("wrong-authority", 1_000_000_000, "the server does not answer for 127.0.0.1:"),
    ] {
        let problem = format!(
            r#"{{"code":"{code}","title":"no \u001b[1mway","status":401,"server_time":{server_time}}}"#
        );
        let (authority, _received) =
            serve(answer("401 Unauthorized", "Content-Type: application/problem+json", &problem));
        let output = home.run(["call", "GET", &format!("http://{authority}/")]);
        let said = failed(&output, 1);
        assert!(said.starts_with(&format!("envelope: error: {code}: no \\u{{1b}}[1mway\n")), "{said}");
        assert!(said.contains(hint), "{said}");
        assert_eq!(String::from_utf8(output.stdout).unwrap(), problem);
    }
}

#[test]
fn any_other_status_is_a_failure() {
    let home = Home::new();
    home.keygen("default", "ed25519");
    for (status, field) in [
        ("404 Not Found", "X: y"),
        ("500 Internal Server Error", "Content-Type: application/problem+json"),
        ("302 Found", "Location: http://127.0.0.1:9/elsewhere"),
    ] {
        let (authority, _received) = serve(answer(status, field, "body"));
        let output = home.run(["call", "GET", &format!("http://{authority}/")]);
        let said = failed(&output, 1);
        assert!(
            said.starts_with(&format!("envelope: error: the server answered {}\n", &status[..3])),
            "{said}"
        );
        assert_eq!(said.contains("http://127.0.0.1:9/elsewhere"), status.starts_with("302"), "{said}");
        assert_eq!(output.stdout, b"body");
    }
}

#[test]
fn no_answer_is_an_error_of_its_own() {
    let home = Home::new();
    home.keygen("default", "ed25519");
    let authority = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let said = failed(&home.run(["call", "GET", &format!("http://{authority}/")]), 2);
    assert!(said.contains("refused"), "{said}");

    let (authority, _received) = serve("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf".into());
    let output = home.run(["call", "GET", &format!("http://{authority}/")]);
    let said = failed(&output, 2);
    assert!(said.starts_with("envelope: error: the answer broke off: "), "{said}");
    assert_eq!(output.stdout, b"half");
}

#[test]
fn a_proxy_is_not_asked_for_this_machine_and_is_named_when_it_does_not_answer() {
    let home = Home::new();
    home.keygen("default", "ed25519");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let call = |variable: &str, url: &str| {
        let mut command = home.envelope();
        command.args(["call", "GET", url]).env(variable, format!("http://me:SECRET@{closed}"));
        command.output().unwrap()
    };
    for variable in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        let (authority, received) = serve(answer("200 OK", "X: y", "done"));
        assert_eq!(done(&call(variable, &format!("http://{authority}/"))), "done", "{variable}");
        assert_eq!(received.recv().unwrap().target, "/");
        let (authority, _received) = serve(answer("200 OK", "X: y", "done"));
        let port = authority.rsplit_once(':').unwrap().1;
        assert_eq!(done(&call(variable, &format!("http://localhost:{port}/"))), "done", "{variable}");

        let said = failed(&call(variable, "http://pack.invalid/"), 2);
        assert!(said.contains(&format!("envelope: hint: {variable} is set: ")), "{said}");
        assert!(!said.contains("SECRET"), "{said}");
    }
    // A proxy that answers is used.
    let (authority, received) = serve(answer("200 OK", "X: y", "through"));
    let mut command = home.envelope();
    command.args(["call", "GET", "http://pack.invalid/a"]).env("http_proxy", format!("http://{authority}"));
    assert_eq!(done(&command.output().unwrap()), "through");
    assert_eq!(received.recv().unwrap().target, "http://pack.invalid/a");
}

#[test]
fn the_answer_is_printed_as_it_arrives() {
    let home = Home::new();
    home.keygen("default", "ed25519");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let mut child = home.envelope().args(["call", "GET", &url]).stdout(Stdio::piped()).spawn().unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    Received::read(&mut stream);
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst").unwrap();
    let mut piece = [0; 5];
    let mut stdout = child.stdout.take().unwrap();
    // The other half is sent only after this one came out.
    stdout.read_exact(&mut piece).unwrap();
    assert_eq!(&piece, b"first");
    stream.write_all(b"later").unwrap();
    stdout.read_exact(&mut piece).unwrap();
    assert_eq!(&piece, b"later");
    assert!(child.wait().unwrap().success());
}
