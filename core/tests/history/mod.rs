//! What is true of keys, by asking everything that ever happened, each time anew: the opposite of records. It keeps
//! nothing, so it can forget nothing. Keys and identities are numbers here.
#![allow(clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use envelope_core::Code;

/// Something that a verifier took.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    Registered { key: usize, kind: Kind, owner: usize, end: Option<u64> },
    Succeeded { old: usize, new: usize, until: u64 },
    Retired { key: usize },
    KeyRevoked { key: usize },
    IdentityRevoked { owner: usize },
    IssuedBefore { owner: usize, moment: u64 },
    CertificateRevoked { key: usize, jti: usize },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Identity,
    Call,
}

/// A statement of a key, as far as the rules look at it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Said {
    pub at: u64,
    pub forged: bool,
}

/// A certificate, as far as the rules look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Certified {
    pub issuer: usize,
    pub call: usize,
    pub issued: u64,
    pub jti: usize,
}

/// What happened, in order.
#[derive(Clone, Copy)]
pub(crate) struct History<'a>(pub &'a [Event]);

impl History<'_> {
    /// What had happened before.
    const fn before(&self, at: usize) -> History<'_> {
        History(self.0.split_at(at).0)
    }

    /// When a key came to be known, as what, and whose.
    fn birth(&self, key: usize) -> Option<(usize, Kind, usize)> {
        self.0.iter().enumerate().find_map(|(at, event)| match *event {
            Event::Registered { key: of, kind, owner, .. } if of == key => Some((at, kind, owner)),
            Event::Succeeded { old, new, .. } if new == key => {
                let (_, kind, owner) = self.before(at).birth(old)?;
                Some((at, kind, owner))
            }
            _ => None,
        })
    }

    /// As what a key is known.
    pub(crate) fn kind(&self, key: usize) -> Option<Kind> {
        self.birth(key).map(|(_, kind, _)| kind)
    }

    /// Whose it is.
    pub(crate) fn owner(&self, key: usize) -> Option<usize> {
        self.birth(key).map(|(_, _, owner)| owner)
    }

    pub(crate) fn is_revoked(&self, key: usize) -> bool {
        self.0.iter().enumerate().any(|(at, event)| match *event {
            Event::Retired { key: of } | Event::KeyRevoked { key: of } => of == key,
            Event::IdentityRevoked { owner } => self.before(at).owner(key) == Some(owner),
            _ => false,
        })
    }

    pub(crate) fn successor(&self, key: usize) -> Option<usize> {
        self.0.iter().find_map(|event| match *event {
            Event::Succeeded { old, new, .. } if old == key => Some(new),
            _ => None,
        })
    }

    /// The moment from which on it is not good any more.
    pub(crate) fn end(&self, key: usize) -> Option<u64> {
        let given = self.0.iter().enumerate().rev().find_map(|(at, event)| match *event {
            Event::Registered { key: of, end, .. } if of == key => Some(end),
            Event::Succeeded { old, new, .. } if new == key => Some(self.before(at).end(old)),
            _ => None,
        });
        let handed_over = self.0.iter().filter_map(|event| match *event {
            Event::Succeeded { old, until, .. } if old == key => Some(until),
            _ => None,
        });
        given.flatten().into_iter().chain(handed_over).min()
    }

    /// The moment before which what it issued is revoked.
    pub(crate) fn issued_from(&self, key: usize) -> u64 {
        let Some((birth, Kind::Identity, owner)) = self.birth(key) else { return 0 };
        let told = self.0[birth..].iter().filter_map(|event| match *event {
            Event::IssuedBefore { owner: of, moment } if of == owner => Some(moment),
            _ => None,
        });
        let inherited = match self.0[birth] {
            Event::Succeeded { old, .. } => self.before(birth).issued_from(old),
            _ => 0,
        };
        told.chain([inherited]).max().unwrap_or_default()
    }

    pub(crate) fn has_revoked(&self, key: usize, jti: usize) -> bool {
        self.0.iter().any(|event| match *event {
            Event::CertificateRevoked { key: of, jti: number } => (of, number) == (key, jti),
            _ => false,
        })
    }

    /// Everything that is wrong with a request under a certificate: a verifier may name any of it.
    pub(crate) fn flaws(&self, certified: Certified, now: u64) -> Vec<Code> {
        let Certified { issuer, call, issued, jti } = certified;
        let is_revoked = self.is_revoked(issuer)
            || self.is_revoked(call)
            || self.has_revoked(issuer, jti)
            || issued < self.issued_from(issuer);
        let flaws = [
            (issued > now + 5, Code::CertificateInvalid),
            (self.end(issuer).is_some_and(|end| now >= end), Code::CertificateExpired),
            (is_revoked, Code::Revoked),
            (self.kind(issuer) != Some(Kind::Identity), Code::UnknownKey),
            (self.kind(call) == Some(Kind::Identity), Code::KeyRefused),
        ];
        flaws.into_iter().filter(|(is_there, _)| *is_there).map(|(_, code)| code).collect()
    }

    /// Everything that is wrong with a request by a key alone.
    pub(crate) fn flaws_alone(&self, key: usize, now: u64) -> Vec<Code> {
        let kind = self.kind(key);
        let flaws = [
            (self.is_revoked(key), Code::Revoked),
            (kind.is_none(), Code::UnknownKey),
            (kind == Some(Kind::Identity), Code::KeyRefused),
            (self.end(key).is_some_and(|end| now >= end), Code::CertificateExpired),
        ];
        flaws.into_iter().filter(|(is_there, _)| *is_there).map(|(_, code)| code).collect()
    }

    /// The first step that refuses a succession.
    pub(crate) fn refuses_succession(&self, old: usize, new: usize, said: Said, now: u64) -> Option<Code> {
        let steps = [
            (said.at > now + 5, Code::NotYetValid),
            (self.is_revoked(old), Code::Revoked),
            (self.kind(old) != Some(Kind::Identity), Code::UnknownKey),
            (self.successor(old) == Some(new), Code::Replayed),
            (self.successor(old).is_some(), Code::KeyRefused),
            (self.end(old).is_some_and(|end| now >= end), Code::CertificateExpired),
            (self.is_revoked(new), Code::Revoked),
            (self.kind(new).is_some(), Code::KeyRefused),
            (said.forged, Code::BadSignature),
        ];
        first(steps)
    }

    /// The first step that refuses a retirement.
    pub(crate) fn refuses_retirement(&self, key: usize, said: Said, now: u64) -> Option<Code> {
        first([
            (said.at > now + 5, Code::NotYetValid),
            (self.kind(key).is_none() && !self.is_revoked(key), Code::UnknownKey),
            (self.is_revoked(key), Code::Replayed),
            (said.forged, Code::BadSignature),
        ])
    }

    /// What refuses a registration.
    pub(crate) fn refuses_registration(
        &self,
        key: usize,
        kind: Kind,
        owner: usize,
        end: Option<u64>,
        now: u64,
    ) -> Option<Code> {
        let lasts = end.is_some_and(|end| end > now && end - now <= 90 * 86_400);
        let known_as = self.kind(key).zip(self.owner(key));
        first([
            (kind == Kind::Call && !lasts, Code::KeyRefused),
            (self.is_revoked(key), Code::Revoked),
            (known_as.is_some_and(|known| known != (kind, owner)), Code::KeyRefused),
            (self.successor(key).is_some(), Code::KeyRefused),
        ])
    }
}

fn first<const N: usize>(steps: [(bool, Code); N]) -> Option<Code> {
    steps.into_iter().find(|(refuses, _)| *refuses).map(|(_, code)| code)
}
