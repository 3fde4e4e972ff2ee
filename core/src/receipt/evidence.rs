//! What proves a receipt of a signed call: the signature base, the signature, and the call key where no certificate in the base
//! has it.
//!
//! A base holds every line of the request that was signed, so the request can be made of it again, and put through stages 1 to 5.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use base64ct::{Base64, Encoding};
use serde::{Deserialize, Serialize};

use super::{Flaw, Jwk, Receipt, encode};
use crate::authority::Authorities;
use crate::certificate::UntrustedCertificate;
use crate::envelope::Envelope;
use crate::error::Refusal;
use crate::key::{self, Thumbprint, VerifyingKey};
use crate::login::{Issuer, UntrustedLogin};
use crate::replay::{Memory, SignatureUse};
use crate::request::{Field, Request};
use crate::time::{Timestamp, Window};
use crate::trust::{Identity, Standing, Trust};
use crate::verify::{Call, CertificateCache, Verifier};

/// Fields whose value is a credential. A log that is read by many is no place for it.
const CREDENTIALS: [&str; 3] = ["authorization", "proxy-authorization", "cookie"];
/// What the last line of a base begins with.
const PARAMS: &str = "\"@signature-params\": ";

/// What proves a receipt of a signed call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// The nonce.
    pub nonce: String,
    /// The signature base; its lines of fields that are withheld have no value.
    pub base: String,
    /// The covered fields that hold a credential.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub withheld: Vec<String>,
    /// The signature over the base.
    pub signature: String,
    /// The call key, where it is registered and has no certificate.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub key: Option<Jwk>,
}

impl Evidence {
    /// That of a call; `key` is its call key where that is registered.
    #[must_use]
    pub fn of(call: &Call, key: Option<&VerifyingKey>) -> Self {
        let (mut base, mut withheld) = (String::with_capacity(call.base().as_str().len()), Vec::new());
        for line in call.base().as_str().split_inclusive('\n') {
            match CREDENTIALS.iter().find(|name| names(line, name)) {
                Some(name) => {
                    base.extend(["\"", name, "\": \n"]);
                    withheld.push(String::from(*name));
                }
                None => base.push_str(line),
            }
        }
        Self {
            nonce: call.nonce().into(),
            base,
            withheld,
            signature: encode(call.signature().as_bytes()),
            key: key.filter(|_| call.certificate().is_none()).map(Jwk::from),
        }
    }

    /// Verifies everything again that can be: stages 1 to 5 at the moment of the receipt, without the signature where something that it
    /// covers is withheld.
    pub(super) fn check(
        &self,
        receipt: &Receipt,
        issuers: &[Issuer],
        certificates: &impl CertificateCache,
    ) -> Result<(), Flaw> {
        const NO_KEYID: Flaw = Flaw::Mismatch("the receipt names no key");
        const NO_IDENTITY: Flaw = Flaw::Mismatch("the receipt names no identity");
        let keyid = receipt.keyid.as_deref().and_then(Thumbprint::parse).ok_or(NO_KEYID)?;
        let identity = receipt.identity.as_deref().and_then(Identity::new).ok_or(NO_IDENTITY)?;
        let key = self.key.as_ref().map(Jwk::key).transpose().map_err(Flaw::Envelope)?.map(Arc::new);
        let signed = Signed::read(self).ok_or(Flaw::Mismatch("the base is none of an envelope"))?;
        let fields = signed.fields();
        let request = Request::new(signed.method, &signed.target, &fields);
        let envelope = Envelope::parse(&request).map_err(Flaw::Envelope)?;
        if Thumbprint::parse(envelope.untrusted_keyid()) != Some(keyid) {
            return Err(Flaw::Mismatch("the receipt names another key"));
        }
        if envelope.untrusted_nonce() != self.nonce {
            return Err(Flaw::Mismatch("the receipt names another nonce"));
        }
        let trust = Recorded { keyid, identity: &identity, key: key.as_ref(), issuers };
        let empty = |line: &&str| line.ends_with("\": ");
        let credential = |line: &str| CREDENTIALS.iter().find(|name| names(line, name)).copied();
        if !self.base.lines().filter(empty).filter_map(credential).eq(self.withheld.iter()) {
            return Err(Flaw::Mismatch(
                "what is withheld are not the credentials that the base has no value of",
            ));
        }
        let authorities = Authorities::new([signed.authority]).map_err(Flaw::Envelope)?;
        let verifier = Verifier::new(authorities).with_certificates(certificates);
        let verifier = verifier.with_window(Window::new(Window::MAX).unwrap_or_default());
        // Without its credential the signature cannot be verified, and everything else can.
        let memory =
            |_: &SignatureUse<'_>| Memory { has_verified: !self.withheld.is_empty(), fingerprint: None };
        let now = Timestamp::from_unix(receipt.time);
        let verified = verifier.verify_recalling(&request, &trust, memory, now).map_err(Flaw::Envelope)?;
        if verified.call().base().as_str() != self.base {
            return Err(Flaw::Mismatch("the base is not what its own lines make"));
        }
        if *verified.call().identity() != identity {
            return Err(Flaw::Mismatch("the certificate is for another identity"));
        }
        Ok(())
    }
}

/// Whether a line of a base is that of the component.
fn names(line: &str, name: &str) -> bool {
    line.strip_prefix('"')
        .and_then(|rest| rest.strip_prefix(name))
        .is_some_and(|rest| rest.starts_with("\": "))
}

/// The request that a base was made of.
struct Signed<'a> {
    method: &'a str,
    authority: &'a str,
    target: String,
    /// Covered fields, in order; then those of the envelope.
    lines: Vec<(&'a str, &'a str)>,
    own: [(&'static str, String); 2],
}

impl<'a> Signed<'a> {
    fn read(evidence: &'a Evidence) -> Option<Self> {
        let (components, params) = evidence.base.rsplit_once('\n')?;
        let params = params.strip_prefix(PARAMS)?;
        let (mut method, mut authority, mut path, mut query) = (None, None, None, None);
        let mut lines = Vec::new();
        for line in components.split('\n') {
            let (name, value) = line.strip_prefix('"')?.split_once("\": ")?;
            match name {
                "@method" => method = Some(value),
                "@authority" => authority = Some(value),
                "@path" => path = Some(value),
                "@query" => query = Some(value),
                _ => push(&mut lines, name, value),
            }
        }
        let authority = authority?;
        if !lines.iter().any(|(name, _)| *name == "host") {
            lines.push(("host", authority));
        }
        let key = lines.iter().find(|(name, _)| *name == "signature-key");
        let label = key.and_then(|(_, value)| value.split_once('=')).map_or("sig", |(label, _)| label);
        let signature: [u8; 64] = key::base64url(&evidence.signature)?;
        let input = [label, "=", params].concat();
        let signature = [label, "=:", &Base64::encode_string(&signature), ":"].concat();
        // What has no query, and what has an empty one, have the same line; only one of them is canonical.
        let query = query.filter(|query| *query != "?").unwrap_or_default();
        Some(Self {
            method: method?,
            authority,
            target: [path?, query].concat(),
            lines,
            own: [("signature-input", input), ("signature", signature)],
        })
    }

    fn fields(&self) -> Vec<Field<'_>> {
        let own = self.own.iter().map(|(name, value)| (*name, value.as_bytes()));
        self.lines.iter().map(|(name, value)| (*name, value.as_bytes())).chain(own).collect()
    }
}

/// One line, or as many as were joined where the last of them are empty: read as one, it would lose its space.
fn push<'a>(lines: &mut Vec<(&'a str, &'a str)>, name: &'a str, mut value: &'a str) {
    let mut empty = 0;
    while let Some(rest) = value.strip_suffix(", ") {
        (value, empty) = (rest, empty + 1);
    }
    lines.push((name, value));
    lines.extend((0..empty).map(|_| (name, "")));
}

/// What a receipt says of whom the verifier knew: its word for names, and for nothing else.
struct Recorded<'a> {
    keyid: Thumbprint,
    identity: &'a Identity,
    /// The call key, where it was registered.
    key: Option<&'a Arc<VerifyingKey>>,
    issuers: &'a [Issuer],
}

impl Trust for Recorded<'_> {
    fn standing(&self, key: &Thumbprint) -> Standing {
        let identity = self.identity.clone();
        match self.key {
            Some(known) if known.thumbprint() == *key => Standing::CallKey {
                identity,
                key: Arc::clone(known),
                expires: Timestamp::from_unix(u64::MAX),
            },
            _ if *key == self.keyid => Standing::Unknown,
            _ => Standing::Identity { identity, expires: None, issued_from: Timestamp::default() },
        }
    }

    fn has_revoked(&self, _: &Thumbprint, _: &str) -> bool {
        false
    }

    fn check_current(&self, _: Timestamp) -> Result<(), Refusal> {
        Ok(())
    }

    fn issuer(&self, key: &Thumbprint) -> Option<Issuer> {
        self.issuers.iter().find(|issuer| issuer.key.thumbprint() == *key).cloned()
    }
}

impl Receipt {
    /// What cannot be, whatever was signed.
    pub(super) fn check(&self) -> Result<(), Flaw> {
        if (self.decision == super::Verdict::Deny) != self.code.is_some() {
            return Err(Flaw::Mismatch("a code goes with what was refused, and with nothing else"));
        }
        if self.keyid.is_some() != self.envelope.is_some() {
            return Err(Flaw::Mismatch("a key is named that has signed nothing"));
        }
        Ok(())
    }

    /// The thumbprint of the identity key that has certified the call key, or of the verifier that has, as the base says.
    #[must_use]
    pub fn untrusted_issuer(&self) -> Option<String> {
        let base = &self.envelope.as_ref()?.base;
        let line = base.lines().find(|line| names(line, "signature-key"))?;
        let (_, jws) = line.split_once("jwt=\"")?;
        let jws = jws.split('"').next()?;
        let certificate = UntrustedCertificate::parse(jws).ok();
        let login = || Some(UntrustedLogin::parse(jws).ok()?.issuer_key());
        certificate.map(|it| it.identity_key().thumbprint()).or_else(login).map(|key| key.to_string())
    }
}
