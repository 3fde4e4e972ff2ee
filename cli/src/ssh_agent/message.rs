//! The messages of an ssh-agent, in the data types of RFC 4251.

use envelope_core::{Algorithm, Signature, VerifyingKey};
use ssh_encoding::{Decode, Encode, Reader};
use ssh_key::{Mpint, PublicKey};

use super::AgentError;

const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;
const FAILURE: u8 = 5;

/// More keys than anybody has.
const MAX_KEYS: u32 = 4096;

/// What the agent said, without the length before it.
#[derive(Debug)]
pub(super) struct Answer(pub(super) Vec<u8>);

impl Answer {
    /// What follows the number of the message, which must be this one.
    fn body(&self, number: u8) -> Result<&[u8], AgentError> {
        match self.0.split_first() {
            Some((first, body)) if *first == number => Ok(body),
            Some((&FAILURE, _)) => Err(AgentError::Refused),
            _ => Err(AgentError::NotAnAnswer),
        }
    }
}

impl From<ssh_encoding::Error> for AgentError {
    fn from(_: ssh_encoding::Error) -> Self {
        Self::NotAnAnswer
    }
}

impl From<ssh_key::Error> for AgentError {
    fn from(_: ssh_key::Error) -> Self {
        Self::NotAnAnswer
    }
}

pub(super) fn request_keys() -> Result<Vec<u8>, AgentError> {
    framed(&[REQUEST_IDENTITIES])
}

/// The keys of the answer. Those of other kinds are passed over: RSA, keys with a certificate, keys of security tokens.
pub(super) fn read_keys(answer: &Answer) -> Result<Vec<VerifyingKey>, AgentError> {
    let mut body = answer.body(IDENTITIES_ANSWER)?;
    let count = u32::decode(&mut body)?;
    if count > MAX_KEYS {
        return Err(AgentError::NotAnAnswer);
    }
    let mut keys = Vec::new();
    for _ in 0..count {
        let key = Vec::<u8>::decode(&mut body)?;
        let _comment = Vec::<u8>::decode(&mut body)?;
        let line = PublicKey::from_bytes(&key).and_then(|key| key.to_openssh());
        keys.extend(line.ok().and_then(|line| VerifyingKey::from_openssh(&line).ok()));
    }
    Ok(keys)
}

pub(super) fn request_signature(key: &VerifyingKey, message: &[u8]) -> Result<Vec<u8>, AgentError> {
    const NO_FLAGS: u32 = 0;
    let mut question = vec![SIGN_REQUEST];
    PublicKey::from_openssh(&key.to_openssh())?.to_bytes()?.encode(&mut question)?;
    message.encode(&mut question)?;
    NO_FLAGS.encode(&mut question)?;
    framed(&question)
}

/// The signature of the answer: 64 bytes, with a low s.
pub(super) fn read_signature(answer: &Answer, algorithm: Algorithm) -> Result<Signature, AgentError> {
    let mut body = answer.body(SIGN_RESPONSE)?;
    let blob = Vec::<u8>::decode(&mut body)?;
    let mut blob = blob.as_slice();
    let format = String::decode(&mut blob)?;
    let value = Vec::<u8>::decode(&mut blob)?;
    let is_other = format != name(algorithm);
    if is_other || !blob.is_finished() || !body.is_finished() {
        return Err(AgentError::NotAnAnswer);
    }
    let bytes = match algorithm {
        Algorithm::Ed25519 => value.try_into().map_err(|_| AgentError::NotAnAnswer)?,
        Algorithm::P256 => read_ecdsa(&value)?,
    };
    Ok(Signature::from_bytes(bytes))
}

/// RFC 5656 section 3.1.2: r and s, as numbers without leading zeros.
fn read_ecdsa(mut value: &[u8]) -> Result<[u8; 64], AgentError> {
    let mut bytes = [0; 64];
    let (r, s) = bytes.split_at_mut(32);
    for half in [r, s] {
        let number = Mpint::decode(&mut value)?;
        let number = number.as_positive_bytes().ok_or(AgentError::NotAnAnswer)?;
        let start = half.len().checked_sub(number.len()).ok_or(AgentError::NotAnAnswer)?;
        half.iter_mut().skip(start).zip(number).for_each(|(to, from)| *to = *from);
    }
    if !value.is_empty() {
        return Err(AgentError::NotAnAnswer);
    }
    let signature = p256::ecdsa::Signature::from_slice(&bytes).map_err(|_| AgentError::NotAnAnswer)?;
    Ok(signature.normalize_s().to_bytes().into())
}

const fn name(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Ed25519 => "ssh-ed25519",
        Algorithm::P256 => "ecdsa-sha2-nistp256",
    }
}

/// A message with its length before it.
fn framed(message: &[u8]) -> Result<Vec<u8>, AgentError> {
    let mut framed = Vec::new();
    message.encode(&mut framed)?;
    Ok(framed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;

    fn answer(number: u8, strings: &[&[u8]]) -> Answer {
        let mut bytes = vec![number];
        strings.iter().for_each(|string| string.encode(&mut bytes).unwrap());
        Answer(bytes)
    }

    fn blob(strings: &[&[u8]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        strings.iter().for_each(|string| string.encode(&mut bytes).unwrap());
        bytes
    }

    /// A number as RFC 4251 writes it.
    fn mpint(bytes: &[u8]) -> Vec<u8> {
        Mpint::from_positive_bytes(bytes).unwrap().as_bytes().to_vec()
    }

    #[test]
    fn a_high_s_becomes_the_low_one() {
        let key = random::key(Algorithm::P256).unwrap();
        let low = key.sign(b"message");
        let (r, s) = low.as_bytes().split_at(32);
        let signature = p256::ecdsa::Signature::from_slice(low.as_bytes()).unwrap();
        let high = -*signature.s();
        let high: [u8; 32] = high.to_bytes().into();
        assert_ne!(high, s);
        for s in [s, &high] {
            let value = blob(&[&mpint(r), &mpint(s)]);
            let signed = blob(&[b"ecdsa-sha2-nistp256", &value]);
            assert_eq!(read_signature(&answer(14, &[&signed]), Algorithm::P256).unwrap(), low);
        }
    }

    #[test]
    fn short_numbers_are_filled_up() {
        let value = blob(&[&[1], &[2, 3]]);
        let bytes = read_ecdsa(&value).unwrap();
        assert_eq!(bytes[31], 1);
        assert_eq!(bytes[62..], [2, 3]);
        assert_eq!(bytes.iter().filter(|byte| **byte == 0).count(), 61);
    }

    #[test]
    fn what_is_no_signature_is_refused() {
        let long = [&[1][..], &[0; 32]].concat();
        for value in [
            blob(&[&[1]]),
            blob(&[&[0x80], &[1]]),
            blob(&[&long, &[1]]),
            blob(&[&[], &[1]]),
            blob(&[&[1], &[1], &[1]]),
        ] {
            assert!(matches!(read_ecdsa(&value), Err(AgentError::NotAnAnswer)), "{value:?}");
        }
        let of = |strings: &[&[u8]]| read_signature(&answer(14, &[&blob(strings)]), Algorithm::Ed25519);
        assert!(of(&[b"ssh-ed25519", &[7; 64]]).is_ok());
        for strings in [
            &[&b"ssh-ed25519"[..], &[7; 63]][..],
            &[b"ecdsa-sha2-nistp256", &[7; 64]],
            &[b"ssh-ed25519", &[7; 64], b""],
            &[b"ssh-ed25519"],
        ] {
            assert!(matches!(of(strings), Err(AgentError::NotAnAnswer)), "{strings:?}");
        }
        let failure = Answer(vec![5]);
        assert!(matches!(read_signature(&failure, Algorithm::Ed25519), Err(AgentError::Refused)));
        for bytes in [&[][..], &[6], &[14], &[14, 0, 0, 1, 0]] {
            let read = read_signature(&Answer(bytes.into()), Algorithm::Ed25519);
            assert!(matches!(read, Err(AgentError::NotAnAnswer)), "{bytes:?}");
        }
    }

    #[test]
    fn keys_of_other_kinds_are_passed_over() {
        let keys = [Algorithm::Ed25519, Algorithm::P256].map(|algorithm| random::key(algorithm).unwrap());
        let blobs = keys.each_ref().map(|key| {
            PublicKey::from_openssh(&key.verifying_key().to_openssh()).unwrap().to_bytes().unwrap()
        });
        let mut bytes = vec![12, 0, 0, 0, 3];
        for string in [&blobs[0], b"a".as_slice(), b"\0\0\0\x07ssh-rsa", b"b", &blobs[1], b""] {
            string.encode(&mut bytes).unwrap();
        }
        let read = read_keys(&Answer(bytes.clone())).unwrap();
        assert_eq!(read, keys.each_ref().map(|key| key.verifying_key().clone()));
        bytes.truncate(bytes.len() - 1);
        assert!(matches!(read_keys(&Answer(bytes)), Err(AgentError::NotAnAnswer)));
        let many = Answer(vec![12, 0xff, 0xff, 0xff, 0xff]);
        assert!(matches!(read_keys(&many), Err(AgentError::NotAnAnswer)));
    }
}
