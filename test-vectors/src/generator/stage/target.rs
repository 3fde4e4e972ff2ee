//! Stage 2, V2.3: the target is canonical, or it is refused.

use envelope_core::Code;
use envelope_test_vectors::Vector;

use super::super::{Topic, rule};

const RULES: &str = "verifier and upstream may take the target for two different resources";

pub(super) fn fill(all: &mut Vec<Vector>) {
    let mut topic = Topic::new("target", all);
    for (name, target, title) in REFUSED {
        topic.one(rule("V2.3", RULES), Some(Code::TargetNotCanonical), name, title, |d| {
            d.target = (*target).into()
        });
    }
    for (name, target, title) in VALID {
        topic.one(rule("V2.3", "an honest caller is locked out"), None, name, title, |d| {
            d.target = (*target).into()
        });
    }
    for (name, length, code) in
        [("length-8193", 8193, Some(Code::TargetNotCanonical)), ("length-8192", 8192, None)]
    {
        let rule = rule("V2.3", RULES);
        let rule = if code.is_some() { rule } else { rule.honest() };
        topic.one(rule, code, name, &format!("the target has {length} bytes"), |d| {
            d.target = format!("/{}?{}", "a".repeat(4000), "b".repeat(length - 4002));
        });
    }
    topic.refused(
        rule("V2.3", RULES),
        Code::TargetNotCanonical,
        &[
            ("changed-to-dot-segment", "a dot segment is put in after signing", |d| {
                d.tamper(|request| request.target = request.target.replace("/agent", "/./agent"));
            }),
            ("changed-to-escape", "a letter is escaped after signing", |d| {
                d.tamper(|request| request.target = request.target.replace("agent", "%61gent"));
            }),
            ("lone-question-mark-added", "a question mark is added after signing", |d| {
                d.target = "/api/pack/p1/agent".into();
                d.tamper(|request| request.target.push('?'));
            }),
        ],
    );
}

/// Name, target, title.
type Case = (&'static str, &'static str, &'static str);

const REFUSED: &[Case] = &[
    ("empty", "", "there is no target"),
    ("asterisk", "*", "asterisk-form"),
    ("authority-form", "pack.example:443", "authority-form"),
    ("relative", "api/pack", "the path does not start with a slash"),
    ("other-scheme", "ftp://pack.example/a", "absolute-form of another scheme"),
    ("query-alone", "?a=b", "there is a query and no path"),
    ("fragment", "/a#b", "there is a fragment"),
    ("fragment-in-query", "/a?b#c", "there is a fragment behind the query"),
    ("dot", "/.", "the path is a dot segment"),
    ("dot-dot", "/..", "the path is two dots"),
    ("dot-in-the-middle", "/a/./b", "a dot segment in the middle"),
    ("dot-dot-in-the-middle", "/a/../b", "two dots in the middle"),
    ("dot-at-the-end", "/a/.", "a dot segment at the end"),
    ("dot-dot-at-the-end", "/a/..", "two dots at the end"),
    ("dot-dot-before-query", "/a/..?b", "two dots before the query"),
    ("dot-escaped", "/a/%2E%2E/b", "two dots that are escaped"),
    ("dot-escaped-lower-case", "/a/%2e%2e/b", "two dots that are escaped, in lower case"),
    ("dot-half-escaped", "/a/.%2E/b", "two dots of which one is escaped"),
    ("dot-semicolon", "/a/.;b/c", "a dot segment with a parameter"),
    ("dot-dot-semicolon", "/a/..;b/c", "two dots with a parameter"),
    ("dot-dot-semicolon-alone", "/a/..;/b", "two dots with an empty parameter"),
    ("dot-dot-semicolons", "/..;a;b", "two dots with two parameters"),
    ("slash-slash", "/a//b", "an empty segment in the middle"),
    ("slash-slash-at-the-start", "//a", "an empty segment at the start"),
    ("slash-slash-alone", "//", "two slashes"),
    ("slash-slash-at-the-end", "/a//", "two slashes at the end"),
    ("backslash", "/a\\b", "a backslash"),
    ("backslash-in-query", "/a?b=c\\d", "a backslash in the query"),
    ("space", "/a b", "a space"),
    ("space-in-query", "/a?b c", "a space in the query"),
    ("tab", "/a\tb", "a tab"),
    ("line-end", "/a\nb", "a line end"),
    ("line-end-in-query", "/a?b\r\nc", "a line end in the query"),
    ("nul", "/a\0b", "a zero byte"),
    ("delete", "/a\u{7f}b", "a byte 0x7F"),
    ("non-ascii", "/caf\u{e9}", "a byte above 0x7E"),
    ("non-ascii-in-query", "/a?b=\u{e9}", "a byte above 0x7E in the query"),
    ("quotation-mark", "/a\"b", "a quotation mark"),
    ("angle-bracket", "/a<b", "an angle bracket"),
    ("angle-bracket-in-query", "/a?b>c", "an angle bracket in the query"),
    ("caret", "/a^b", "a caret"),
    ("backtick", "/a`b", "a backtick"),
    ("brace", "/a{b", "a brace"),
    ("brace-in-query", "/a?b}", "a brace in the query"),
    ("pipe", "/a|b", "a vertical bar"),
    ("pipe-in-query", "/a?b|c", "a vertical bar in the query"),
    ("bracket", "/a[b", "a square bracket"),
    ("bracket-in-query", "/a?b[]=c", "square brackets in the query"),
    ("percent-alone", "/a%", "a percent sign at the end"),
    ("percent-one-digit", "/a%4", "a percent sign and one digit at the end"),
    ("percent-no-hex", "/a%G0", "a percent sign without hex digits"),
    ("percent-in-query", "/a?b=100%", "a percent sign at the end of the query"),
    ("percent-percent", "/a%%20", "two percent signs"),
    ("percent-split", "/a%2?0", "an escape that goes on in the query"),
    ("hex-lower-case", "/a%c3%A9", "an escape in lower case"),
    ("hex-lower-case-second-digit", "/a%3a", "an escape whose second digit is in lower case"),
    ("hex-lower-case-in-query", "/a?b=%c3%a9", "escapes in lower case in the query"),
    ("escaped-letter", "/%61", "an escaped letter"),
    ("escaped-digit", "/%30", "an escaped digit"),
    ("escaped-hyphen", "/a%2Db", "an escaped hyphen"),
    ("escaped-dot", "/a%2Eb", "an escaped dot"),
    ("escaped-underscore", "/a%5Fb", "an escaped underscore"),
    ("escaped-tilde", "/%7Ea", "an escaped tilde"),
    ("escaped-letter-in-query", "/a?%62=c", "an escaped letter in the query"),
    ("escaped-slash", "/a%2Fb", "an escaped slash"),
    ("escaped-slash-in-query", "/a?b=c%2Fd", "an escaped slash in the query"),
    ("escaped-slash-lower-case", "/a%2fb", "an escaped slash, in lower case"),
    ("escaped-backslash", "/a%5Cb", "an escaped backslash"),
    ("escaped-backslash-in-query", "/a?b=%5C", "an escaped backslash in the query"),
    ("escaped-nul", "/a%00b", "an escaped zero byte"),
    ("escaped-nul-in-query", "/a?b=%00", "an escaped zero byte in the query"),
    ("lone-question-mark", "/a?", "a question mark and nothing behind it"),
    ("absolute-dot-dot", "https://pack.example/a/../b", "two dots in an absolute-form"),
    ("absolute-fragment", "https://pack.example/a#b", "a fragment in an absolute-form"),
    ("absolute-query-no-path", "https://pack.example?b", "absolute-form with a query and no path"),
];

const VALID: &[Case] = &[
    ("root", "/", "the path is a slash"),
    ("trailing-slash", "/a/b/", "the path ends with a slash"),
    ("dots-in-names", "/a.b/.c/..d/e../...", "dots that are no dot segments"),
    ("every-character", "/AZaz09-._~!$&'()*+,;=:@/b", "every character that a path may hold as it is"),
    (
        "every-character-in-query",
        "/a?AZaz09-._~!$&'()*+,;=:@/?",
        "every character that a query may hold as it is",
    ),
    ("semicolons", "/;a/;/b;c/...;d/.e;f", "parameters of segments that are no dots"),
    ("escapes", "/%20%22%25%3C%3E%5B%5D%7B%7D%C3%A9", "escapes of what must be escaped"),
    (
        "escaped-reserved",
        "/a%3Ab%40c%26d%3De%2Cf",
        "escapes of reserved characters, which are not their plain form",
    ),
    ("escaped-question-mark", "/a%3Fb%23c", "an escaped question mark and number sign"),
    ("query-dot-dot", "/a?b=../c/./d", "dots and slashes in the query are no segments"),
    ("query-slash-slash", "/a?b=c//d", "two slashes in the query"),
    ("query-question-marks", "/a??", "a question mark is a query"),
    ("query-ampersand", "/a?&&=", "a query without names"),
    ("query-plus", "/a?b+c=%20", "plus and an escaped space in the query"),
    ("percent-encoded-percent", "/%2525", "an escaped percent sign before digits"),
    ("absolute-form", "https://pack.example/a?b", "absolute-form"),
    ("absolute-form-http", "http://pack.example/a", "absolute-form of http"),
    ("absolute-form-no-path", "https://pack.example", "absolute-form without a path: @path is a slash"),
    (
        "absolute-form-upper-case",
        "HTTPS://PACK.example/a",
        "absolute-form with scheme and host in upper case",
    ),
];
