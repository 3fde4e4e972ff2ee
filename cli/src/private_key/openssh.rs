//! A private key as `ssh-keygen` writes it (PROTOCOL.key of OpenSSH), encrypted with bcrypt when there is a passphrase.
//!
//! It is taken apart here and not by ssh-key, which cannot read the one key of P-256 in 256 whose number is a byte shorter.

use base64ct::{Base64, Encoding};
use envelope_core::{Algorithm, SigningKey, VerifyingKey};
use pkcs8::LineEnding;
use ssh_encoding::{Decode, Encode};
use ssh_key::private::{EcdsaKeypair, EcdsaPrivateKey, Ed25519Keypair, Ed25519PrivateKey, KeypairData};
use ssh_key::public::KeyData;
use ssh_key::{Cipher, Kdf, PrivateKey, PublicKey};
use zeroize::Zeroizing;

use crate::passphrase::Passphrase;
use crate::pem::{PemError, accepted};
use crate::random;

const BEGIN: &str = "-----BEGIN OPENSSH PRIVATE KEY-----";
const END: &str = "-----END OPENSSH PRIVATE KEY-----";
const MAGIC: &[u8] = b"openssh-key-v1\0";
/// What ssh-keygen takes by default.
const CIPHER: Cipher = Cipher::Aes256Ctr;
const ROUNDS: u32 = 24;
/// Somebody else's file could ask for days of work.
const MAX_ROUNDS: u32 = 4096;

/// The file, taken apart.
struct Sealed {
    cipher: Cipher,
    kdf: Kdf,
    public: VerifyingKey,
    private: Zeroizing<Vec<u8>>,
    tag: Option<[u8; 16]>,
}

impl From<ssh_key::Error> for PemError {
    fn from(_: ssh_key::Error) -> Self {
        Self::Unreadable
    }
}

impl From<ssh_encoding::Error> for PemError {
    fn from(_: ssh_encoding::Error) -> Self {
        Self::Unreadable
    }
}

/// Whether a passphrase is needed to read it.
pub(super) fn is_encrypted(text: &[u8]) -> Result<bool, PemError> {
    Ok(unpack(text)?.cipher.is_some())
}

/// Reads a key.
pub(super) fn read(text: &[u8], passphrase: Option<&Passphrase>) -> Result<SigningKey, PemError> {
    let sealed = unpack(text)?;
    let key = if sealed.cipher.is_none() {
        read_private(&sealed.private)?
    } else {
        let passphrase = passphrase.ok_or(PemError::Encrypted)?;
        // With a wrong passphrase anything comes out.
        read_private(&decrypt(&sealed, passphrase)?).map_err(|error| match error {
            PemError::Unreadable => PemError::WrongPassphrase,
            error => error,
        })?
    };
    if *key.verifying_key() == sealed.public { Ok(key) } else { Err(PemError::OtherPublicHalf) }
}

/// Writes a key.
pub(crate) fn write(
    key: &SigningKey,
    passphrase: Option<&Passphrase>,
) -> Result<Zeroizing<String>, PemError> {
    let unwritable = |_| PemError::Unwritable;
    let private = PrivateKey::new(key_pair(key)?, "").map_err(unwritable)?;
    let private = match passphrase {
        None => private,
        Some(passphrase) => {
            let salt = random::bytes::<16>().map_err(|_| PemError::Unwritable)?.to_vec();
            let check = random::bytes().map_err(|_| PemError::Unwritable)?;
            let kdf = Kdf::Bcrypt { salt, rounds: ROUNDS };
            let check = u32::from_be_bytes(check);
            private.encrypt_with(CIPHER, kdf, check, passphrase.as_bytes()).map_err(unwritable)?
        }
    };
    private.to_openssh(LineEnding::LF).map_err(unwritable)
}

fn unpack(text: &[u8]) -> Result<Sealed, PemError> {
    let bytes = decode_pem(text)?;
    let mut rest = bytes.strip_prefix(MAGIC).ok_or(PemError::Unreadable)?;
    let cipher = Cipher::decode(&mut rest)?;
    let kdf = Kdf::decode(&mut rest)?;
    let count = u32::decode(&mut rest)?;
    let public = Vec::<u8>::decode(&mut rest)?;
    let private = Zeroizing::new(Vec::<u8>::decode(&mut rest)?);
    let tag = if cipher.has_tag() { Some(rest.try_into().map_err(|_| PemError::Unreadable)?) } else { None };
    let is_whole = tag.is_some() || rest.is_empty();
    if count != 1 || !is_whole || cipher.is_some() != kdf.is_some() {
        return Err(PemError::Unreadable);
    }
    let public = match PublicKey::from_bytes(&public)? {
        key if is_security_key(&key) => return Err(PemError::SecurityKey),
        key => VerifyingKey::from_openssh(&key.to_openssh()?).map_err(|_| PemError::Unreadable)?,
    };
    Ok(Sealed { cipher, kdf, public, private, tag })
}

/// The lines of base64, however long they are.
fn decode_pem(text: &[u8]) -> Result<Zeroizing<Vec<u8>>, PemError> {
    let text = std::str::from_utf8(text).map_err(|_| PemError::Unreadable)?;
    let lines = text.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END));
    let (lines, _) = lines.ok_or(PemError::Unreadable)?;
    let mut base64 = Zeroizing::new(String::with_capacity(lines.len()));
    base64.extend(lines.split_ascii_whitespace());
    Ok(Zeroizing::new(Base64::decode_vec(&base64).map_err(|_| PemError::Unreadable)?))
}

fn is_security_key(key: &PublicKey) -> bool {
    matches!(key.key_data(), KeyData::SkEd25519(_) | KeyData::SkEcdsaSha2NistP256(_))
}

fn decrypt(sealed: &Sealed, passphrase: &Passphrase) -> Result<Zeroizing<Vec<u8>>, PemError> {
    if matches!(sealed.kdf, Kdf::Bcrypt { rounds, .. } if rounds > MAX_ROUNDS) {
        return Err(PemError::TooMuchWork);
    }
    let (key, iv) = sealed.kdf.derive_key_and_iv(sealed.cipher, passphrase.as_bytes())?;
    let iv = Zeroizing::new(iv);
    let mut bytes = sealed.private.clone();
    let decrypted = sealed.cipher.decrypt(&key, &iv, &mut bytes, sealed.tag);
    decrypted.map_err(|_| PemError::WrongPassphrase)?;
    Ok(bytes)
}

/// Two equal numbers, the kind of key, the key, a comment and a padding that counts.
fn read_private(mut rest: &[u8]) -> Result<SigningKey, PemError> {
    if u32::decode(&mut rest)? != u32::decode(&mut rest)? {
        return Err(PemError::Unreadable);
    }
    let key = match String::decode(&mut rest)?.as_str() {
        "ssh-ed25519" => {
            let _public = Vec::<u8>::decode(&mut rest)?;
            let pair = Zeroizing::new(Vec::<u8>::decode(&mut rest)?);
            let secret = pair.first_chunk::<32>().filter(|_| pair.len() == 64);
            accepted(Algorithm::Ed25519, secret.ok_or(PemError::Unreadable)?)?
        }
        "ecdsa-sha2-nistp256" => {
            let _curve = Vec::<u8>::decode(&mut rest)?;
            let _point = Vec::<u8>::decode(&mut rest)?;
            let number = Zeroizing::new(Vec::<u8>::decode(&mut rest)?);
            accepted(Algorithm::P256, &*filled_up(&number)?)?
        }
        _ => return Err(PemError::Unreadable),
    };
    let _comment = Vec::<u8>::decode(&mut rest)?;
    let is_padding = rest.iter().zip(1u8..).all(|(byte, count)| *byte == count);
    if is_padding { Ok(key) } else { Err(PemError::Unreadable) }
}

/// A number of SSH as 32 bytes: it has no leading zeros, but for one before a set highest bit.
fn filled_up(number: &[u8]) -> Result<Zeroizing<[u8; 32]>, PemError> {
    let number = number.strip_prefix(&[0]).unwrap_or(number);
    let mut bytes = Zeroizing::new([0; 32]);
    let start = bytes.len().checked_sub(number.len()).ok_or(PemError::Unreadable)?;
    bytes.iter_mut().skip(start).zip(number).for_each(|(to, from)| *to = *from);
    Ok(bytes)
}

fn key_pair(key: &SigningKey) -> Result<KeypairData, PemError> {
    let public = PublicKey::from_openssh(&key.verifying_key().to_openssh())?;
    let secret = key.to_bytes();
    match public.key_data() {
        KeyData::Ed25519(public) => Ok(KeypairData::Ed25519(Ed25519Keypair {
            public: *public,
            private: Ed25519PrivateKey::from_bytes(&secret),
        })),
        KeyData::Ecdsa(ssh_key::public::EcdsaPublicKey::NistP256(public)) => {
            let mut prefixed = Zeroizing::new(Vec::with_capacity(4 + secret.len()));
            secret.as_slice().encode(&mut *prefixed)?;
            let private = EcdsaPrivateKey::decode(&mut prefixed.as_slice())?;
            Ok(KeypairData::Ecdsa(EcdsaKeypair::NistP256 { public: *public, private }))
        }
        _ => Err(PemError::Unwritable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_algorithms_come_back() {
        for algorithm in [Algorithm::Ed25519, Algorithm::P256] {
            let key = random::key(algorithm).unwrap();
            let text = write(&key, None).unwrap();
            assert!(!is_encrypted(text.as_bytes()).unwrap());
            assert_eq!(read(text.as_bytes(), None).unwrap().to_bytes(), key.to_bytes());
        }
    }

    #[test]
    fn the_public_half_has_to_fit() {
        let [key, other] = [(), ()].map(|()| random::key(Algorithm::Ed25519).unwrap());
        let KeypairData::Ed25519(mut pair) = key_pair(&key).unwrap() else { panic!("another algorithm") };
        let KeypairData::Ed25519(wrong) = key_pair(&other).unwrap() else { panic!("another algorithm") };
        pair.public = wrong.public;
        let mixed = PrivateKey::new(KeypairData::Ed25519(pair), "").unwrap().to_openssh(LineEnding::LF);
        assert_eq!(read(mixed.unwrap().as_bytes(), None).unwrap_err(), PemError::OtherPublicHalf);
    }

    #[test]
    fn numbers_of_every_length_are_filled_up() {
        assert_eq!(filled_up(&[]).unwrap()[..], [0; 32]);
        assert_eq!(filled_up(&[1; 31]).unwrap()[..2], [0, 1]);
        assert_eq!(filled_up(&[&[0][..], &[0x80; 32]].concat()).unwrap()[..], [0x80; 32]);
        assert_eq!(filled_up(&[1; 33]).unwrap_err(), PemError::Unreadable);
    }

    #[test]
    fn what_is_cut_off_is_unreadable() {
        let text = write(&random::key(Algorithm::P256).unwrap(), None).unwrap();
        let body = decode_pem(text.as_bytes()).unwrap();
        for length in 0..body.len() {
            let cut = format!("{BEGIN}\n{}\n{END}\n", Base64::encode_string(&body[..length]));
            assert!(read(cut.as_bytes(), None).is_err(), "{length}");
        }
    }
}
