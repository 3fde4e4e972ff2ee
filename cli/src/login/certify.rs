//! `POST /api/login`: the verifier certifies a call key for whom the identity provider vouches for (packs.md, section 3.3).

use envelope_core::{Algorithm, Grant, Identity, Timestamp, UntrustedLogin};
use serde_json::{Value, json};

use crate::call_key::{CallKey, Issuer};
use crate::error::Error;
use crate::exchange::Question;
use crate::identity_key::IdentityKey;
use crate::origin::Origin;
use crate::random;
use crate::secret::Secret;

/// More packs than anybody calls would fill the wallet.
const MAX_PACKS: usize = 1000;

/// What the verifier says of somebody who has logged in.
#[derive(Debug)]
pub(crate) struct Certified {
    pub(crate) call_key: CallKey,
    pub(crate) name: String,
    pub(crate) expires: Timestamp,
    pub(crate) packs: Vec<String>,
}

impl Certified {
    /// Asks for a certificate, with a token of the provider. The call key is proved by an identity key that is made for this
    /// and stands for nobody.
    pub(crate) async fn ask(url: &Origin, bearer: &Secret) -> Result<Self, Error> {
        let proof = {
            let nobody = IdentityKey::from(random::key(Algorithm::Ed25519)?);
            CallKey::make_for(&nobody, Grant::everything().scope(["login"]))?
        };
        let question = Question::post("/api/login", &json!({})).with_bearer(bearer);
        let answer = question.ask_for_json(url, Some(&proof)).await?;

        let wrong = || Error::Answer(url.clone());
        let text = |name| answer.get(name).and_then(Value::as_str);
        let certificate = text("certificate").ok_or_else(wrong)?;
        let read = UntrustedLogin::parse(certificate).map_err(|_| wrong())?;
        let name = text("identity").and_then(Identity::new).ok_or_else(wrong)?;
        let fits = read.call_key() == proof.key().verifying_key() && read.identity() == Some(&name);
        if !fits {
            return Err(wrong());
        }
        let packs = answer.get("packs").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let pack = |pack: &Value| pack.as_str().filter(|pack| pack.len() <= 128).map(String::from);
        Ok(Self {
            name: name.as_str().into(),
            expires: read.expires(),
            packs: packs.iter().take(MAX_PACKS).filter_map(pack).collect(),
            call_key: proof.certified_anew(certificate.into(), Issuer::Verifier),
        })
    }
}
