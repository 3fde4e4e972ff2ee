//! The connection that a request came over, and who is behind it.

use std::net::IpAddr;

use http::request::Parts;

use super::listen::Peer;

/// The connection that a request came over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hop {
    pub(crate) peer: IpAddr,
    /// Whether the peer is a proxy whose forwarding fields are believed.
    pub(crate) trusted: bool,
}

/// The proxies whose forwarding fields are believed; none: those of this machine.
#[derive(Clone, Debug)]
pub(crate) struct Proxies(Vec<IpAddr>);

impl Proxies {
    pub(crate) const fn new(trusted: Vec<IpAddr>) -> Self {
        Self(trusted)
    }

    pub(crate) fn hop(&self, Peer(peer): Peer) -> Hop {
        let peer = peer.ip().to_canonical();
        let trusted = if self.0.is_empty() { peer.is_loopback() } else { self.0.contains(&peer) };
        Hop { peer, trusted }
    }

    /// The address of the client: the peer, or what a trusted proxy says of it last. Where nobody knows, all clients are one.
    pub(crate) fn client(&self, head: &Parts) -> IpAddr {
        const NOBODY_KNOWS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);
        let Some(hop) = head.extensions.get::<Peer>().map(|peer| self.hop(*peer)) else {
            return NOBODY_KNOWS;
        };
        let chain = head.headers.get_all("x-forwarded-for").iter().next_back();
        let last = chain.and_then(|chain| chain.to_str().ok()?.rsplit(',').next()?.trim().parse().ok());
        last.filter(|_| hop.trusted).unwrap_or(hop.peer)
    }
}
