//! One request to a verifier itself, and its answer.

use std::time::Duration;

use envelope_core::RevocationList;
use reqwest::StatusCode;
use zeroize::Zeroizing;

use crate::address;
use crate::call_key::CallKey;
use crate::client::{self, read_problem};
use crate::clock;
use crate::error::{Error, Problem};
use crate::origin::Origin;
use crate::outgoing::{Given, Outgoing};
use crate::secret::Secret;

/// How long a verifier may take for anything: it asks nobody.
const PATIENCE: Duration = Duration::from_secs(15);
/// The longest answer: a revocation list.
const MAX_ANSWER: usize = RevocationList::MAX_LENGTH;

/// What is asked of a verifier.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    /// The body, and its media type.
    pub(crate) body: Option<(&'static str, Vec<u8>)>,
    /// Other header fields.
    pub(crate) fields: Given,
    /// How long the answer may take.
    pub(crate) patience: Duration,
}

/// What came back. It may hold a token, and is wiped.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Zeroizing<Vec<u8>>,
    pub(crate) problem: Option<Box<Problem>>,
}

impl Answer {
    /// The body of an answer that is good.
    fn success(self) -> Result<Zeroizing<Vec<u8>>, Error> {
        if self.status.is_success() {
            return Ok(self.body);
        }
        Err(self.problem.map_or(Error::Status(self.status.as_u16(), None), Error::Problem))
    }
}

impl Question {
    pub(crate) fn new(method: &'static str, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), body: None, fields: Vec::new(), patience: PATIENCE }
    }

    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new("GET", path)
    }

    pub(crate) fn post(path: impl Into<String>, json: &serde_json::Value) -> Self {
        Self::new("POST", path).with_body("application/json", json.to_string().into_bytes())
    }

    pub(crate) fn with_body(self, media_type: &'static str, body: Vec<u8>) -> Self {
        Self { body: Some((media_type, body)), ..self }
    }

    pub(crate) fn with_bearer(mut self, token: &Secret) -> Self {
        let value = Secret::any(format!("Bearer {}", token.expose()));
        self.fields.push(("Authorization".into(), value));
        self
    }

    pub(crate) fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Asks the verifier at `origin`, with an envelope where there is a call key. A refusal is an error; one that began anew is
    /// asked once more.
    pub(crate) async fn ask(
        self,
        origin: &Origin,
        call_key: Option<&CallKey>,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        self.exchange(origin, call_key).await?.success()
    }

    /// The same for any answer.
    pub(crate) async fn exchange(self, origin: &Origin, call_key: Option<&CallKey>) -> Result<Answer, Error> {
        let answer = self.exchange_once(origin, call_key).await?;
        if call_key.is_some() && answer.problem.as_ref().is_some_and(|problem| problem.began_anew()) {
            tokio::time::sleep(client::ANEW).await;
            return self.exchange_once(origin, call_key).await;
        }
        Ok(answer)
    }

    async fn exchange_once(&self, origin: &Origin, call_key: Option<&CallKey>) -> Result<Answer, Error> {
        let url = origin.at(&self.path);
        let (sent_url, authority) = address::exact(&url)?;
        let mut given = self.fields.clone();
        let (media_type, body) = self.body.clone().unzip();
        let media_type = media_type.map(|it| ("Content-Type".to_owned(), Secret::any(it.into())));
        given.extend(media_type);
        let request = Outgoing::new(self.method, url, given, body);
        let signed = call_key.map(|call_key| request.sign(call_key, 60)).transpose()?;

        let client = client::client(&sent_url, self.patience)?;
        let proof = signed.as_ref().into();
        let answer = client::send(&client, sent_url, &request, proof, Some(self.patience)).await?;

        let status = answer.status();
        let is_problem = client::is_problem(&answer) && !status.is_success();
        let limit = if status.is_success() { MAX_ANSWER } else { client::MAX_PROBLEM };
        let body = client::read(answer, limit).await?.ok_or_else(|| Error::Answer(origin.clone()))?;
        let problem = if is_problem { read_problem(&body, authority, clock::now()?) } else { None };
        Ok(Answer { status, body, problem })
    }

    /// The same for an answer that is a JSON object.
    pub(crate) async fn ask_for_json(
        self,
        origin: &Origin,
        call_key: Option<&CallKey>,
    ) -> Result<serde_json::Map<String, serde_json::Value>, Error> {
        let answer = self.ask(origin, call_key).await?;
        serde_json::from_slice(&answer).map_err(|_| Error::Answer(origin.clone()))
    }
}
