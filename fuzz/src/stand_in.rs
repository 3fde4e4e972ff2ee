//! What the files of the command name of the rest of it, as little as they need.

pub(crate) mod args {
    pub(crate) struct Outgoing {
        pub(crate) method: String,
        pub(crate) url: String,
        pub(crate) header: Vec<String>,
        pub(crate) body: Option<std::path::PathBuf>,
    }
}

pub(crate) mod call_key {
    use envelope_core::{Refusal, Signer, SigningKey};

    pub(crate) struct CallKey {
        pub(crate) key: SigningKey,
        pub(crate) certificate: String,
    }

    impl CallKey {
        pub(crate) fn signer(&self) -> Result<Signer<'_>, Refusal> {
            Signer::certified(&self.key, &self.certificate)
        }
    }
}

pub(crate) mod clock {
    use envelope_core::Timestamp;

    use crate::error::Error;

    /// The time of the vectors.
    pub const NOW: u64 = 1_767_225_600;

    pub(crate) fn now() -> Result<Timestamp, Error> {
        Ok(Timestamp::from_unix(NOW))
    }
}

pub(crate) mod error {
    use std::io;
    use std::path::{Path, PathBuf};

    use envelope_core::Refusal;

    use crate::address::UrlPart;
    use crate::message::Limit;

    #[derive(Debug)]
    pub(crate) enum Error {
        Field(FieldError, Option<String>),
        Io(io::Error),
        Method(MethodError),
        OtherTarget,
        Random(getrandom::Error),
        Stdin(io::Error),
        TooMuch(PathBuf, Limit),
        Unsignable(Refusal),
        Url(Refusal, UrlPart),
    }

    impl Error {
        pub(crate) fn io(_: &'static str, _: &Path, error: io::Error) -> Self {
            Self::Io(error)
        }
    }

    #[derive(Debug)]
    pub(crate) enum FieldError {
        NotAField,
        Empty,
        Control,
        Reserved(&'static str),
    }

    #[derive(Debug)]
    pub(crate) enum MethodError {
        NotAMethod,
        Connect,
        Case(String),
    }
}

pub(crate) mod passphrase {
    pub(crate) struct Passphrase(Vec<u8>);

    impl Passphrase {
        pub(crate) fn as_bytes(&self) -> &[u8] {
            &self.0
        }
    }
}
