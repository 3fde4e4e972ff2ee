//! `envelope sign`: what it prints is what a verifier takes.

use envelope_core::{Call, Code, Document, Request, Thumbprint};

use crate::outside::{Home, answer, done, failed, fields, judge, program, serve, stderr};

const URL: &str = "https://pack.example/api/pack/p1/agent?q=1";

/// Judges the lines that `envelope sign` printed, for a request that has other fields, too.
fn judge_lines(lines: &str, other: &str, body: &[u8], identity: Thumbprint) -> Call {
    let header = format!("Host: pack.example\n{other}{lines}");
    let fields = fields(&header);
    let method = if body.is_empty() { "GET" } else { "POST" };
    judge(&Request::new(method, "/api/pack/p1/agent?q=1", &fields), body, identity).unwrap()
}

#[test]
fn exactly_the_fields_to_add_are_printed() {
    let home = Home::new();
    for alg in ["ed25519", "p256"] {
        let identity = home.keygen(alg, alg);
        let lines = done(&home.run(["sign", "GET", URL, "--identity", alg]));
        let names: Vec<_> = fields(&lines).iter().map(|(name, _)| name.to_string()).collect();
        assert_eq!(names, ["Signature-Key", "Signature-Input", "Signature"]);
        judge_lines(&lines, "", b"", identity);

        let lines =
            done(&home.run_with(["sign", "POST", URL, "--body", "-", "--identity", alg], b"{\"a\": 1}\n"));
        let names: Vec<_> = fields(&lines).iter().map(|(name, _)| name.to_string()).collect();
        assert_eq!(
            names,
            ["Content-Type", "Content-Digest", "Signature-Key", "Signature-Input", "Signature"]
        );
        assert!(lines.starts_with("Content-Type: application/json\n"));
        judge_lines(&lines, "", b"{\"a\": 1}\n", identity);
    }
}

#[test]
fn given_fields_are_covered_and_not_repeated() {
    let home = Home::new();
    let identity = home.keygen("default", "ed25519");
    let args = [
        "sign",
        "POST",
        URL,
        "--body",
        "-",
        "-H",
        "content-type:text/plain",
        "-H",
        "X-A: 1",
        "-H",
        "x-a:  2 ",
    ];
    let lines = done(&home.run_with(args, b"hello"));
    assert!(lines.starts_with("Content-Digest: "));
    assert!(!lines.contains("X-A:"));
    let input =
        r#"("@method" "@authority" "@path" "@query" "content-type" "content-digest" "signature-key" "x-a");"#;
    assert!(lines.contains(input), "{lines}");
    judge_lines(&lines, "Content-Type: text/plain\nX-A: 1\nX-A: 2\n", b"hello", identity);
}

#[test]
fn the_media_type_is_that_of_the_bytes() {
    let home = Home::new();
    home.keygen("default", "ed25519");
    for (body, media_type) in [
        (&b"{}"[..], "application/json"),
        (b" [1, \"\xc3\xa4\"] \n", "application/json"),
        (b"{}{}", "application/octet-stream"),
        (b"{", "application/octet-stream"),
        (b"\"\xff\"", "application/octet-stream"),
        (b"", "application/octet-stream"),
        (b"a=b", "application/octet-stream"),
    ] {
        let lines = done(&home.run_with(["sign", "POST", URL, "--body", "-"], body));
        assert!(
            lines.starts_with(&format!("Content-Type: {media_type}\nContent-Digest: ")),
            "{body:?} {lines}"
        );
    }
}

#[test]
fn a_document_carries_the_request_and_comes_back_through_verify() {
    let home = Home::new();
    for alg in ["ed25519", "p256"] {
        let identity = home.keygen(alg, alg).to_string();
        for format in ["--format=json", "--json"] {
            let args = ["sign", "POST", URL, "--body", "-", "-H", "X-A: 1", format, "--identity", alg];
            let json = done(&home.run_with(args, b"{}"));
            assert_eq!(json.lines().count(), 1);
            assert_eq!(Document::parse(json.as_bytes()).unwrap().body(), b"{}");
            let trust = format!("alice={identity}");
            // With and without the line end.
            for json in [json.as_str(), json.trim_end()] {
                let said = done(&home.run_with(["verify", "--trust", &trust], json.as_bytes()));
                assert!(said.contains("identity      alice\n"), "{said}");
                assert!(said.contains("target        /api/pack/p1/agent?q=1\n"), "{said}");
            }
        }
    }
}

#[test]
fn a_huge_body_is_signed_and_verified() {
    let home = Home::new();
    let identity = home.keygen("default", "ed25519").to_string();
    let body = vec![b'x'; 8 * 1024 * 1024];
    home.put("body", &body);
    let json = done(&home.run(["sign", "PUT", URL, "--body", "body", "--json"]));
    assert_eq!(Document::parse(json.as_bytes()).unwrap().body(), body);
    done(&home.run_with(["verify", "--trust", &identity], json.as_bytes()));
}

#[test]
fn ttl_says_how_long_it_is_good() {
    let home = Home::new();
    let identity = home.keygen("default", "ed25519");
    for (ttl, seconds) in [("1", 1), ("60", 60), ("300", 300)] {
        let lines = done(&home.run(["sign", "GET", URL, "--ttl", ttl]));
        let call = judge_lines(&lines, "", b"", identity);
        assert_eq!(call.expires().since(call.created()), seconds);
    }
}

#[test]
fn nobody_who_reads_is_no_reason_to_panic() {
    let home = Home::new();
    home.keygen("default", "ed25519");
    let mut child = home
        .envelope()
        .args(["sign", "GET", URL])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(stderr(&output), "");
}

#[test]
fn curl_takes_the_lines_as_they_are() {
    if program("curl").is_none() {
        return;
    }
    let home = Home::new();
    let identity = home.keygen("default", "ed25519");
    home.put("req.json", b"{\"a\": 1}\n");
    let (authority, received) = serve(answer("200 OK", "X: y", "done"));
    let url = format!("http://{authority}/a/b?c=d");
    let line =
        format!("curl -s -H @<(envelope sign POST '{url}' --body req.json) --data-binary @req.json '{url}'");
    assert_eq!(done(&home.bash(&line)), "done");
    let received = received.recv().unwrap();
    assert_eq!(received.body, b"{\"a\": 1}\n");
    let call = received.judge(identity).unwrap();
    assert!(call.base().as_str().contains("\"content-type\": application/json\n"));
}

#[test]
fn the_curl_command_sends_what_was_signed() {
    if program("curl").is_none() {
        return;
    }
    let home = Home::new();
    let identity = home.keygen("default", "p256");
    home.put("it's a $body", b"\0\r\n@ bytes");
    let (authority, received) = serve(answer("200 OK", "X: y", "done"));
    let url = format!("http://{authority}/a'b(c)?d='e'&f=$g");
    let args =
        ["sign", "PUT", &url, "--body", "it's a $body", "-H", "X-A: it's `x` $HOME \"", "--format", "curl"];
    let command = done(&home.run(args));
    assert_eq!(command.lines().count(), 1);
    assert_eq!(done(&home.bash(&command)), "done");
    let received = received.recv().unwrap();
    assert_eq!((received.method.as_str(), received.body.as_slice()), ("PUT", &b"\0\r\n@ bytes"[..]));
    assert_eq!(received.target, "/a'b(c)?d='e'&f=$g");
    let call = received.judge(identity).unwrap();
    assert!(call.base().as_str().contains("\"x-a\": it's `x` $HOME \"\n"));
    // Another method is another request.
    let fields = fields(&received.header);
    let other = Request::new("POST", &received.target, &fields);
    assert_eq!(judge(&other, &received.body, identity).unwrap_err().code(), Code::BadSignature);
}

#[test]
fn a_body_that_is_not_there_is_an_error() {
    let home = Home::new();
    home.keygen("default", "ed25519");
    assert!(failed(&home.run(["sign", "POST", URL, "--body", "missing"]), 2).contains("cannot read missing"));
}

#[test]
fn hosts_are_signed_as_clients_write_them() {
    let home = Home::new();
    home.keygen("default", "ed25519");
    for url in ["http://127.1/", "http://0x7f000001/", "http://2130706433/", "http://[0:0::1]/"] {
        for format in ["headers", "json", "curl"] {
            let said = failed(&home.run(["sign", "GET", url, "--format", format]), 2);
            assert!(said.contains("another spelling"), "{url} {format} {said}");
        }
    }
}

#[test]
fn json_is_a_format_and_no_other_one() {
    let home = Home::new();
    home.keygen("default", "ed25519");
    let json = done(&home.run(["sign", "GET", URL, "--json", "--format", "json"]));
    Document::parse(json.as_bytes()).unwrap();
    for format in ["headers", "curl"] {
        let said = failed(&home.run(["sign", "GET", URL, "--json", "--format", format]), 2);
        assert!(said.contains(&format!("leave one of --json and --format {format} out")), "{said}");
    }
}

#[test]
fn a_body_has_a_limit() {
    let home = Home::new();
    home.keygen("default", "ed25519");
    let length = 64 * 1024 * 1024;
    for (length, fits) in [(length, true), (length + 1, false)] {
        let file = std::fs::File::create(home.path("body")).unwrap();
        file.set_len(length).unwrap();
        let output = home.run(["sign", "PUT", URL, "--body", "body"]);
        if fits {
            done(&output);
        } else {
            assert!(failed(&output, 2).contains("longer than 64 MiB: body"));
        }
    }
}
