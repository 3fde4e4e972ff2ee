//! The readers of the command `envelope`, which is a program and no library: its own files, and stand-ins for what they name of the
//! rest of it.

// `address` names it by the crate that hands it on.
extern crate url as reqwest;

#[allow(dead_code, unused_imports, reason = "the targets take a part of it")]
#[path = "../../cli/src"]
mod command {
    pub(crate) mod address;
    pub(crate) mod message;
    pub(crate) mod outgoing;
    pub(crate) mod pem;
    pub(crate) mod private_key;
    pub(crate) mod random;
    pub(crate) mod secret;
}
#[allow(dead_code, reason = "what is only said to people is not looked at here")]
mod stand_in;

use command::{address, message, pem, private_key, random, secret};
use envelope_core::{Refusal, Request, SigningKey};
use stand_in::{args, call_key, clock, error, passphrase};

pub use clock::NOW;

/// Reads a private key that no passphrase protects, in whatever spelling it is.
pub fn read_key(text: &[u8]) -> Option<SigningKey> {
    let spelling = private_key::Spelling::of(text).ok()?;
    let key = spelling.read(text, None).ok()?;
    assert_eq!(spelling.is_encrypted(text), Ok(false));
    Some(key)
}

/// A private key in every spelling that is written: PKCS#8, OpenSSH, JWK.
pub fn spellings(key: &SigningKey) -> [String; 3] {
    let write = "a key that was read is written";
    let pem = pem::encode(key, None).expect(write);
    let openssh = private_key::openssh::write(key, None).expect(write);
    [pem.to_string(), openssh.to_string(), private_key::jwk::write(key).to_string()]
}

/// A message, as `verify` and `inspect` read it.
pub struct Message(message::Message);

impl Message {
    /// A raw HTTP request, or a document.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        message::Message::parse(bytes).map(Self)
    }

    /// What is in it.
    pub fn read<T>(&self, look: impl FnOnce(&Request<'_>, &[(&str, &[u8])], &[u8]) -> T) -> T {
        let fields = self.0.fields();
        look(&self.0.request(&fields), &fields, &self.0.body)
    }

    /// As a raw HTTP request.
    pub fn to_http(&self) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\n", self.0.method, self.0.target).into_bytes();
        for (name, value) in self.0.fields() {
            text.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        [&text[..], b"\r\n", &self.0.body].concat()
    }
}

/// A request as `envelope sign METHOD URL -H FIELD…` makes it for `call_key`: the fields that were given, and those that were added.
pub fn sign(
    method: &str,
    url: &str,
    header: Vec<String>,
    call_key: SigningKey,
    certificate: String,
) -> Option<(Vec<(String, String)>, Vec<(String, String)>)> {
    let args = args::Outgoing { method: method.into(), url: url.into(), header, body: None };
    let outgoing = command::outgoing::Outgoing::read(&args).ok()?;
    let signed = outgoing.sign(&call_key::CallKey { key: call_key, certificate }, 60).ok()?;
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    Some((outgoing.given().map(owned).collect(), outgoing.added(&signed).into_iter().map(owned).collect()))
}
