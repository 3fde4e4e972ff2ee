//! The ssh-agent: keys that sign and are never handed out (draft-ietf-sshm-ssh-agent).
//!
//! Two questions are all that is asked, so this is written here: the crates that speak to agents bring every algorithm of SSH
//! along, RSA with it.

mod message;

use std::env;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use envelope_core::{Signature, VerifyingKey};

use crate::error::Error;
use crate::key_arg;

use self::message::{Answer, read_keys, read_signature, request_keys, request_signature};

const SOCKET: &str = "SSH_AUTH_SOCK";
/// A person may have to find the window that asks, or the token that waits to be touched.
const PATIENCE: Duration = Duration::from_secs(60);
/// OpenSSH's own limit.
const MAX_LENGTH: u32 = 256 * 1024;

/// Why the ssh-agent did not do what it was asked for.
#[derive(Debug)]
pub(crate) enum AgentError {
    /// No variable says where it is.
    NoSocket,
    /// Nobody listens there.
    Unreachable(io::Error),
    /// It hung up.
    Gone(io::Error),
    /// It says nothing.
    Silent,
    /// It said something that is no answer.
    NotAnAnswer,
    /// It does not hold the key.
    NoKey,
    /// It holds the key and does not sign.
    Refused,
    /// What it signed does not verify.
    BadSignature,
}

/// A connection to the agent.
#[derive(Debug)]
pub(crate) struct Agent(UnixStream);

impl Agent {
    /// Connects to the agent of this session.
    pub(crate) fn connect() -> Result<Self, AgentError> {
        let path = env::var_os(SOCKET).filter(|path| !path.is_empty()).ok_or(AgentError::NoSocket)?;
        let stream = UnixStream::connect(path).map_err(AgentError::Unreachable)?;
        let patient = stream.set_read_timeout(Some(PATIENCE));
        patient.and_then(|()| stream.set_write_timeout(Some(PATIENCE))).map_err(AgentError::Unreachable)?;
        Ok(Self(stream))
    }

    /// The key that a KEY on the command line names, among those that it holds.
    pub(crate) fn find(key: &str) -> Result<VerifyingKey, Error> {
        let keyid = key_arg::read(key)?.thumbprint();
        let listed = Self::connect().and_then(|mut agent| agent.keys()).map_err(Error::Agent)?;
        let found = listed.into_iter().find(|key| key.thumbprint() == keyid);
        found.ok_or(Error::Agent(AgentError::NoKey))
    }

    /// The keys that it holds and that can sign here.
    pub(crate) fn keys(&mut self) -> Result<Vec<VerifyingKey>, AgentError> {
        let answer = self.ask(&request_keys()?)?;
        read_keys(&answer)
    }

    /// Signs, and verifies what was signed.
    pub(crate) fn sign(&mut self, key: &VerifyingKey, message: &[u8]) -> Result<Signature, AgentError> {
        // An agent tells a key that it does not hold from one that it does not use in no way.
        if !self.keys()?.contains(key) {
            return Err(AgentError::NoKey);
        }
        let answer = self.ask(&request_signature(key, message)?)?;
        let signature = read_signature(&answer, key.algorithm())?;
        key.verify(message, &signature).map_err(|_| AgentError::BadSignature)?;
        Ok(signature)
    }

    fn ask(&mut self, question: &[u8]) -> Result<Answer, AgentError> {
        self.0.write_all(question).map_err(lost)?;
        let mut length = [0; 4];
        self.0.read_exact(&mut length).map_err(lost)?;
        let length = u32::from_be_bytes(length);
        if length > MAX_LENGTH {
            return Err(AgentError::NotAnAnswer);
        }
        let mut answer = Vec::new();
        let read = (&mut self.0).take(length.into()).read_to_end(&mut answer).map_err(lost)?;
        if u32::try_from(read) == Ok(length) {
            Ok(Answer(answer))
        } else {
            Err(AgentError::Gone(io::ErrorKind::UnexpectedEof.into()))
        }
    }
}

fn lost(error: io::Error) -> AgentError {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => AgentError::Silent,
        _ => AgentError::Gone(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An agent that says these bytes, and stays on the line.
    fn agent_that_says(bytes: &[u8]) -> (Agent, UnixStream) {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        theirs.write_all(bytes).unwrap();
        (Agent(ours), theirs)
    }

    #[test]
    fn nobody_waits_for_ever() {
        for bytes in [&[][..], &[0, 0, 0, 9], &[0, 0, 0, 9, 12]] {
            let (mut agent, _theirs) = agent_that_says(bytes);
            assert!(matches!(agent.keys(), Err(AgentError::Silent)), "{bytes:?}");
        }
    }

    #[test]
    fn what_is_no_answer_is_told_from_hanging_up() {
        let (mut agent, theirs) = agent_that_says(&[0, 0, 0, 5, 12]);
        drop(theirs);
        assert!(matches!(agent.keys(), Err(AgentError::Gone(_))));
        for bytes in [&[0, 4, 0, 1][..], &[0, 0, 0, 1, 6], &[0, 0, 0, 0]] {
            let (mut agent, _theirs) = agent_that_says(bytes);
            assert!(matches!(agent.keys(), Err(AgentError::NotAnAnswer)), "{bytes:?}");
        }
    }
}
