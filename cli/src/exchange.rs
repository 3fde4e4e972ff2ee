//! One request to a verifier itself, and its answer.

use std::time::Duration;

use envelope_core::RevocationList;

use crate::address;
use crate::call_key::CallKey;
use crate::client::{self, read_problem};
use crate::clock;
use crate::error::Error;
use crate::origin::Origin;
use crate::outgoing::Outgoing;

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
    pub(crate) fields: Vec<(String, String)>,
}

impl Question {
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self { method: "GET", path: path.into(), body: None, fields: Vec::new() }
    }

    pub(crate) fn post(path: &str, json: &serde_json::Value) -> Self {
        let body = Some(("application/json", json.to_string().into_bytes()));
        Self { method: "POST", path: path.into(), body, fields: Vec::new() }
    }

    pub(crate) fn with_field(mut self, name: &str, value: String) -> Self {
        self.fields.push((name.into(), value));
        self
    }

    /// Asks the verifier at `origin`, with an envelope where there is a call key. A refusal is an error; one that began anew is
    /// asked once more.
    pub(crate) async fn ask(self, origin: &Origin, call_key: Option<&CallKey>) -> Result<Vec<u8>, Error> {
        match self.ask_once(origin, call_key).await {
            Err(Error::Problem(problem)) if problem.began_anew() && call_key.is_some() => {
                tokio::time::sleep(client::ANEW).await;
                self.ask_once(origin, call_key).await
            }
            answer => answer,
        }
    }

    async fn ask_once(&self, origin: &Origin, call_key: Option<&CallKey>) -> Result<Vec<u8>, Error> {
        let url = origin.at(&self.path);
        let (sent_url, authority) = address::exact(&url)?;
        let mut given = self.fields.clone();
        let (media_type, body) = self.body.clone().unzip();
        given.extend(media_type.map(|media_type| ("Content-Type".to_owned(), media_type.to_owned())));
        let request = Outgoing::new(self.method, url, given, body);
        let signed = call_key.map(|call_key| request.sign(call_key, 60)).transpose()?;

        let client = client::client(&sent_url, PATIENCE)?;
        let mut answer = client::send(&client, sent_url, &request, signed.as_ref(), Some(PATIENCE)).await?;

        let status = answer.status();
        let is_problem = client::is_problem(&answer);
        let limit = if status.is_success() { MAX_ANSWER } else { client::MAX_PROBLEM };
        let mut body = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(Error::BrokenOff)? {
            if body.len() + piece.len() > limit {
                return Err(Error::Answer(origin.clone()));
            }
            body.extend_from_slice(&piece);
        }
        if status.is_success() {
            return Ok(body);
        }
        let problem = if is_problem { read_problem(&body, authority, clock::now()?) } else { None };
        Err(problem.map_or(Error::Status(status.as_u16(), None), Error::Problem))
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
