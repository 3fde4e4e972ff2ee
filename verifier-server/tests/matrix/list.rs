//! The one list: which credentials there are, which packs, and by a rule that is written from `spec/packs.md` alone what becomes of
//! each credential at each pack. `access.md` shows what the list says; the tests put every cell of it to the program.

#![allow(unreachable_pub, missing_docs, reason = "part of a test")]

use std::fmt::Write as _;

use serde_json::{Value, json};

/// An identity whose key is registered at the verifier, and who is listed where a pack has a list.
pub const ALICE: &str = "alice";
/// Another one, who is not.
pub const BOB: &str = "bob";
/// A user of the identity provider who is listed, and by whose name no identity is registered.
pub const OCTO: &str = "octo";
/// Another one, who is not listed.
pub const MALLORY: &str = "mallory";

/// What a request carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    None,
    Basic,
    Token,
    TokenRotated,
    TokenOfAnother,
    TokenExpired,
    TokenMadeUp,
    TokenGarbage,
    User,
    UserNotListed,
    UserNamesake,
    UserUnknown,
    UserUntold,
    Key,
    KeyNotListed,
    KeyUnknown,
    CertificateExpired,
    CertificateRevoked,
    KeyRevoked,
    WrongAudience,
    Enrolled,
    EnrolledByAnother,
    EnrolledByRotated,
    KeyUnknownAndToken,
    KeyAndTokenOfAnother,
    Login,
    LoginNotListed,
    LoginNamesake,
}
use Credential as C;

/// Every credential: which, as the tables name it, and what it is.
pub const CREDENTIALS: [(Credential, &str, &str); 28] = [
    (C::None, "none", "nothing"),
    (C::Basic, "other", "`Authorization: Basic …`, which is none of the verifier's"),
    (C::Token, "A good", "the token of the pack"),
    (C::TokenRotated, "A rotated", "the one that it had before, rotated without an overlap"),
    (C::TokenOfAnother, "A of another pack", "the token of another pack"),
    (C::TokenExpired, "A expired", "a token of the pack that has run out"),
    (C::TokenMadeUp, "A made up", "`tok_` and 43 characters that nobody has been given"),
    (C::TokenGarbage, "A garbage", "`tok_garbage`"),
    (C::User, "B good", "a token of GitHub, of the user `octo`, who is listed"),
    (C::UserNotListed, "B not allowed", "the same of the user `mallory`, who is not"),
    (
        C::UserNamesake,
        "B namesake",
        "the same of the user `alice` at GitHub, who is not the identity `alice` of the verifier",
    ),
    (C::UserUnknown, "B unknown, expired", "a token that GitHub does not know, or not any more"),
    (
        C::UserUntold,
        "B, provider down",
        "a token of `octo` that nobody has asked about, while GitHub does not answer",
    ),
    (C::Key, "C own key", "an envelope of `alice`, whose key is registered and who is listed"),
    (C::KeyNotListed, "C not allowed", "the same of `bob`, whose key is registered and who is not listed"),
    (C::KeyUnknown, "C unknown key", "the same of a key that nobody has registered"),
    (
        C::CertificateExpired,
        "C certificate expired",
        "the same of `alice`, with a certificate that has run out",
    ),
    (C::CertificateRevoked, "C certificate revoked", "the same, with a certificate that was revoked"),
    (C::KeyRevoked, "C key revoked", "the same, with another key of `alice`, which was revoked"),
    (C::WrongAudience, "C wrong audience", "the same, with a certificate for another host and another pack"),
    (C::Enrolled, "C enrolled by A", "an envelope of a key that was enrolled by the token of the pack"),
    (C::EnrolledByAnother, "C enrolled by A of another pack", "the same by the token of another pack"),
    (
        C::EnrolledByRotated,
        "C enrolled by A since rotated",
        "the same by a token of the pack that was rotated since",
    ),
    (
        C::KeyUnknownAndToken,
        "C unknown key, and A good",
        "an envelope of an unknown key, and the token of the pack, covered",
    ),
    (
        C::KeyAndTokenOfAnother,
        "C own key, and A of another pack",
        "an envelope of `alice`, and the token of another pack, covered",
    ),
    (C::Login, "login allowed", "an envelope with the login certificate of `octo`"),
    (C::LoginNotListed, "login not allowed", "the same of `mallory`"),
    (C::LoginNamesake, "login namesake", "the same of the user `alice` at GitHub"),
];

/// Whom a pack allows.
#[derive(Clone, Copy, Debug)]
pub enum Users {
    Registered,
    Listed(&'static [&'static str]),
    Everybody,
}

/// A pack.
#[derive(Clone, Copy, Debug)]
pub struct Mode {
    /// As the tables name it.
    pub name: &'static str,
    pub guid: &'static str,
    /// How it is guarded; `None`: the verifier has never heard of it.
    rules: Option<Rules>,
}

#[derive(Clone, Copy, Debug)]
struct Rules {
    accept: &'static [&'static str],
    owner: Option<&'static str>,
    users: Users,
}

const LIST: Users = Users::Listed(&[ALICE, OCTO]);

const fn mode(name: &'static str, guid: &'static str, accept: &'static [&'static str], users: Users) -> Mode {
    Mode { name, guid, rules: Some(Rules { accept, owner: None, users }) }
}

/// Every pack.
pub const MODES: [Mode; 16] = [
    Mode { name: "not registered", guid: "unlisted", rules: None },
    mode("open", "open", &["open"], Users::Registered),
    mode("open, list", "open-list", &["open"], LIST),
    mode("open, `*`", "open-everybody", &["open"], Users::Everybody),
    mode("signed", "signed", &["signed"], Users::Registered),
    mode("signed, list", "signed-list", &["signed"], LIST),
    mode("signed, `*`", "signed-everybody", &["signed"], Users::Everybody),
    mode("token", "token", &["token"], LIST),
    mode("identity", "identity", &["identity"], Users::Registered),
    mode("identity, list", "identity-list", &["identity"], LIST),
    mode("identity, `*`", "identity-everybody", &["identity"], Users::Everybody),
    mode("signed token, list", "signed-token", &["signed", "token"], LIST),
    Mode {
        name: "signed token, owner",
        guid: "Signed-Token-Owner",
        rules: Some(Rules { accept: &["signed", "token"], owner: Some(ALICE), users: Users::Listed(&[]) }),
    },
    mode("signed token identity, list", "signed-token-identity", &["signed", "token", "identity"], LIST),
    mode("signed token open", "without-auth", &["signed", "token", "open"], Users::Registered),
    mode("all, list", "all", &["signed", "token", "identity", "open"], LIST),
];

impl Mode {
    /// What registers the pack; `None` for one that is not registered.
    pub fn registration(&self) -> Option<Value> {
        let Rules { accept, owner, users } = self.rules?;
        let users = match users {
            Users::Registered => Value::Null,
            Users::Listed(entries) => json!(entries),
            Users::Everybody => json!("*"),
        };
        Some(json!({"guid": self.guid, "accept": accept, "owner": owner, "allowed_users": users}))
    }

    /// The rules as they hold (section 2).
    fn effective(&self, auth_required: bool) -> Effective {
        let Some(Rules { accept, owner, users }) = self.rules else {
            let open = !auth_required;
            let (token, identity, owner) = (false, false, None);
            return Effective { open, signed: true, token, identity, owner, users: Users::Registered };
        };
        let takes = |credential| accept.contains(&credential);
        let (open, signed, token, identity) =
            (takes("open"), takes("signed"), takes("token"), takes("identity"));
        if open && auth_required && !(signed || token || identity) {
            // "A pack that accepted nothing else accepts `signed` from whoever is registered at the verifier."
            return Effective { open: false, signed: true, token, identity, owner, users: Users::Registered };
        }
        Effective { open: open && !auth_required, signed, token, identity, owner, users }
    }
}

#[derive(Clone, Copy, Debug)]
struct Effective {
    open: bool,
    signed: bool,
    token: bool,
    identity: bool,
    owner: Option<&'static str>,
    users: Users,
}

/// Somebody who is known.
#[derive(Clone, Debug)]
enum Who {
    /// An identity whose key is registered.
    Identity(&'static str),
    /// A user of the identity provider.
    User(&'static str),
    /// Whoever holds a token, by its name and serial; `is_of_pack`: it is one of the pack that is called.
    Holder { name: String, is_of_pack: bool },
}

impl Who {
    /// As the upstream hears it.
    fn told(&self) -> String {
        match self {
            Self::Identity(name) => (*name).into(),
            Self::User(name) => format!("github:{name}"),
            Self::Holder { name, .. } => name.clone(),
        }
    }
}

/// What a request shows, before any rule of a pack is looked at.
enum Shows {
    Nothing,
    /// The secret of a pack, and whose it is if it is good there.
    Secret(Option<Who>),
    /// A token of the identity provider, and what that says of it.
    Provider(Provider),
    /// An envelope that a stage before the rules, or a restriction in its certificate, refuses.
    Refused(u16, &'static str),
    /// An envelope that is good.
    Envelope(Who),
}

enum Provider {
    Knows(&'static str),
    DoesNotKnow,
    DoesNotAnswer,
}

/// The other pack, whose tokens and keys come along.
pub const ANOTHER: &str = "another";

fn holder(guid: &str, name: &str, is_of_pack: bool) -> Who {
    Who::Holder { name: format!("pack:{}/{name}", guid.to_ascii_lowercase()), is_of_pack }
}

impl Credential {
    /// Section 3, and envelope.md for what is the same at every pack.
    fn shows(self, mode: &Mode) -> Shows {
        // A pack whose registration was removed has no tokens any more, nor has anybody who was enrolled by them.
        let is_registered = mode.rules.is_some();
        match self {
            Self::None | Self::Basic => Shows::Nothing,
            // The second: the first was rotated.
            Self::Token => Shows::Secret(is_registered.then(|| holder(mode.guid, "default/2", true))),
            Self::TokenRotated
            | Self::TokenOfAnother
            | Self::TokenExpired
            | Self::TokenMadeUp
            | Self::TokenGarbage => Shows::Secret(None),
            Self::User => Shows::Provider(Provider::Knows(OCTO)),
            Self::UserNotListed => Shows::Provider(Provider::Knows(MALLORY)),
            Self::UserNamesake => Shows::Provider(Provider::Knows(ALICE)),
            Self::UserUnknown => Shows::Provider(Provider::DoesNotKnow),
            Self::UserUntold => Shows::Provider(Provider::DoesNotAnswer),
            Self::Key | Self::KeyAndTokenOfAnother => Shows::Envelope(Who::Identity(ALICE)),
            Self::KeyNotListed => Shows::Envelope(Who::Identity(BOB)),
            Self::KeyUnknown | Self::KeyUnknownAndToken => Shows::Refused(401, "bad-signature"),
            Self::CertificateExpired => Shows::Refused(401, "certificate-expired"),
            Self::CertificateRevoked | Self::KeyRevoked | Self::EnrolledByRotated => {
                Shows::Refused(401, "revoked")
            }
            Self::WrongAudience => Shows::Refused(403, "audience-mismatch"),
            Self::Enrolled if !is_registered => Shows::Refused(401, "revoked"),
            Self::Enrolled => Shows::Envelope(holder(mode.guid, "default/2", true)),
            Self::EnrolledByAnother => Shows::Envelope(holder(ANOTHER, "default/1", false)),
            Self::Login => Shows::Envelope(Who::User(OCTO)),
            Self::LoginNotListed => Shows::Envelope(Who::User(MALLORY)),
            Self::LoginNamesake => Shows::Envelope(Who::User(ALICE)),
        }
    }
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fate {
    pub status: u16,
    /// The code of a refusal.
    pub code: Option<&'static str>,
    /// Whom the upstream is told of; `None` for nobody.
    pub who: Option<String>,
    /// Whether `Authorization` stays with the verifier: a bearer that counted is not passed on.
    pub keeps_bearer: bool,
}

impl Fate {
    const fn refused(status: u16, code: &'static str) -> Self {
        Self { status, code: Some(code), who: None, keeps_bearer: false }
    }

    const fn passes(who: Option<String>, keeps_bearer: bool) -> Self {
        Self { status: 200, code: None, who, keeps_bearer }
    }

    /// The status behind a proxy that asks at `/verify`: what is neither 200 nor 401 is 403 there.
    pub const fn status_by_forward_auth(&self) -> u16 {
        match self.status {
            200 | 401 => self.status,
            _ => 403,
        }
    }

    fn cell(&self) -> String {
        self.code.map_or_else(|| self.status.to_string(), |code| format!("{} {code}", self.status))
    }
}

impl Effective {
    fn lists(&self, who: &Who) -> bool {
        let means = |entry: &&str| match who {
            Who::Identity(name) => name == entry,
            // Not where an identity of that name is registered.
            Who::User(name) => name == entry && ![ALICE, BOB].contains(entry),
            Who::Holder { .. } => false,
        };
        let is_listed = match self.users {
            Users::Everybody => true,
            Users::Registered => matches!(who, Who::Identity(_)),
            Users::Listed(entries) => entries.iter().any(means),
        };
        is_listed || self.owner.is_some_and(|owner| means(&owner))
    }

    /// Somebody is known, and a rule allows them.
    fn allows(&self, who: &Who, is_envelope: bool) -> bool {
        let signed = self.signed && is_envelope;
        match who {
            Who::Identity(_) => signed && self.lists(who),
            Who::User(_) => (signed || self.identity) && self.lists(who),
            Who::Holder { is_of_pack, .. } => *is_of_pack && (signed || self.token),
        }
    }

    fn nobody(&self) -> Fate {
        if self.open { Fate::passes(None, false) } else { Fate::refused(401, "unauthenticated") }
    }

    fn somebody(&self, who: &Who, is_envelope: bool) -> Fate {
        if self.open || self.allows(who, is_envelope) {
            Fate::passes(Some(who.told()), !is_envelope)
        } else {
            Fate::refused(403, "not-allowed")
        }
    }
}

/// The cell of the table.
pub fn fate(credential: Credential, mode: &Mode, auth_required: bool) -> Fate {
    let rules = mode.effective(auth_required);
    match credential.shows(mode) {
        Shows::Refused(status, code) => Fate::refused(status, code),
        Shows::Envelope(who) => rules.somebody(&who, true),
        Shows::Secret(Some(who)) if rules.token => rules.somebody(&who, false),
        Shows::Provider(Provider::Knows(name)) if rules.identity => rules.somebody(&Who::User(name), false),
        Shows::Provider(Provider::DoesNotAnswer) if rules.identity && !rules.open => {
            Fate::refused(503, "provider-unavailable")
        }
        Shows::Nothing | Shows::Secret(_) | Shows::Provider(_) => rules.nobody(),
    }
}

/// `access.md`.
pub fn document() -> String {
    let mut text = String::from(BEGINNING);
    text.push_str("\n| pack | `accept` | `owner` | `allowed_users` |\n|---|---|---|---|\n");
    for mode in MODES {
        let Some(registration) = mode.registration() else {
            text.push_str("| not registered | | | |\n");
            continue;
        };
        let (accept, owner) = (&registration["accept"], &registration["owner"]);
        let _ = writeln!(
            text,
            "| {} | `{accept}` | `{owner}` | `{}` |",
            mode.name, registration["allowed_users"]
        );
    }
    text.push_str(CREDENTIALS_BEGIN);
    for (_, name, what) in CREDENTIALS {
        let _ = writeln!(text, "| {name} | {what} |");
    }
    text.push_str(FRONTS);
    for (auth_required, title) in [(false, "While auth is not required"), (true, "With `--auth-required`")] {
        let _ = write!(text, "\n## {title}\n\n| |");
        MODES.iter().for_each(|mode| text.push_str(&format!(" {} |", mode.name)));
        text.push_str(&format!("\n|---|{}\n", "---|".repeat(MODES.len())));
        for (credential, name, _) in CREDENTIALS {
            let cells =
                MODES.iter().map(|mode| format!(" {} |", fate(credential, mode, auth_required).cell()));
            let _ = writeln!(text, "| {name} |{}", cells.collect::<String>());
        }
    }
    text
}

const BEGINNING: &str = "\
# Who gets through

Every credential at every kind of pack, with the switch in both positions: the status of the answer, and the code of a refusal. The rules
behind it are in [spec/packs.md](../spec/packs.md).

This file is written from the list in `tests/matrix/list.rs`; the tests put each cell to the gateway, to the tower layer, and to the program
behind nginx and Caddy, and fail when this file is not what the list says. After a change, write it anew:

```sh
ACCESS=overwrite cargo test -p envelope-verifier --test matrix the_document
```

## The packs

`alice` and `bob` are identities whose keys are registered at the verifier; `octo` is a user of GitHub.
";

const CREDENTIALS_BEGIN: &str = "
The one that is not registered was, and was removed: its tokens have ended. The one that accepts `signed`, `token` and `open` is what a deployment without
`auth` makes. Where `owner` is given and `allowed_users` is not, it is `[]`.

## The credentials

A is the shared secret of a pack, B the word of an identity provider, C a signed call.

| credential | what it is |
|---|---|
";

const FRONTS: &str = "
## The fronts

The gateway and the layer answer as the tables say. Behind a proxy that asks at `/verify` a status is 200, 401 or 403 and no other, so 503 is
403 there. Caddy hands on the whole answer, with the code in the body; nginx makes a page of its own, and the code of a 401 is
in `WWW-Authenticate`.

The upstream hears by `Envelope-Identity` who calls (the layer: by an extension of the request): `alice`, `github:octo`, or for A
`pack:GUID/NAME/SERIAL`; at an open pack, too, where the credential is good. Gateway and layer pass no bearer on that counted. A
proxy that asks passes `Authorization` on as its own configuration says.
";
