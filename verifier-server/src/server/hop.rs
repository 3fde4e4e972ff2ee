//! The connection that a request came over, and who is behind it.

use std::net::{IpAddr, SocketAddr};

use http::request::Parts;

use super::listen::Peer;
use crate::layer::ClientAddress;

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

    /// The address of a peer that is no trusted proxy.
    pub(crate) fn direct(&self, peer: Peer) -> Option<IpAddr> {
        let hop = self.hop(peer);
        (!hop.trusted).then_some(hop.peer)
    }

    /// The address of the client, where only one client has it: not that of a trusted proxy which does not say for whom it asks.
    pub(crate) fn one_client(&self, head: &Parts) -> Option<IpAddr> {
        let hop = self.hop(*head.extensions.get::<Peer>()?);
        let client = self.client(head);
        (!hop.trusted || client != hop.peer).then_some(client)
    }

    /// The address of the client: the peer, or what a trusted proxy says of it last. Where nobody knows, all clients are one.
    pub(crate) fn client(&self, head: &Parts) -> IpAddr {
        const NOBODY_KNOWS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);
        if let Some(ClientAddress(address)) = head.extensions.get() {
            return *address;
        }
        let Some(hop) = head.extensions.get::<Peer>().map(|peer| self.hop(*peer)) else {
            return NOBODY_KNOWS;
        };
        let chain = head.headers.get_all("x-forwarded-for").iter().next_back();
        let last = chain.and_then(|chain| address_of(chain.to_str().ok()?.rsplit(',').next()?));
        last.filter(|_| hop.trusted).unwrap_or(hop.peer)
    }
}

/// An address as proxies write it: with a port, or in brackets, too.
fn address_of(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    text.parse().ok().or_else(|| text.parse().ok().map(|address: SocketAddr| address.ip())).or_else(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_however_a_proxy_writes_it() {
        for text in ["192.0.2.1", " 192.0.2.1 ", "192.0.2.1:80"] {
            assert_eq!(address_of(text), Some(IpAddr::from([192, 0, 2, 1])), "{text}");
        }
        for text in ["2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:443"] {
            assert_eq!(address_of(text), "2001:db8::1".parse().ok(), "{text}");
        }
        for text in ["", "unknown", "_hidden", "192.0.2", "host:80"] {
            assert_eq!(address_of(text), None, "{text}");
        }
    }
}
