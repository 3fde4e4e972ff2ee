//! How much there may be at once: requests of everybody and of one, and the bytes of their bodies.

use std::collections::HashMap;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use axum::body::Body;
use bytes::Bytes;
use envelope_core::{Code, Identity, Refusal};
use http_body::{Frame, SizeHint};

use super::attempts::network;

/// What there is, and what there may be.
#[derive(Debug)]
pub(crate) struct InFlight {
    most: usize,
    most_of_one: usize,
    requests: AtomicUsize,
    by_client: Mutex<HashMap<Client, Used>>,
    most_bytes: usize,
    most_bytes_of_one: usize,
    bytes: AtomicUsize,
}

/// What one client has.
#[derive(Debug, Default)]
struct Used {
    requests: usize,
    bytes: usize,
}

/// Of whom there may be so many requests.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Client {
    Address(IpAddr),
    Identity(Identity),
}

impl Client {
    /// Whoever has an address, or of IPv6 the network that a single customer has whole.
    pub(crate) fn at(address: IpAddr) -> Self {
        Self::Address(network(address))
    }
}

const TOO_MANY: Refusal = Refusal::new(
    Code::TooManyRequests,
    "this caller has as many requests in flight as one may have: wait for an answer",
);
const OVERLOADED: Refusal =
    Refusal::new(Code::Overloaded, "the verifier has as many requests in flight as it takes: try again");
const NO_ROOM: Refusal =
    Refusal::new(Code::Overloaded, "the bodies in flight take as much memory as they may: try again");
const NO_SHARE: Refusal = Refusal::new(
    Code::TooManyRequests,
    "the bodies of this caller take as much memory as those of one may: wait for an answer",
);

impl InFlight {
    /// For so many requests, so many of one client, so many bytes of bodies, and so many of one client.
    pub(crate) fn new(most: usize, most_of_one: usize, most_bytes: usize, most_bytes_of_one: usize) -> Self {
        Self {
            most,
            most_of_one,
            requests: AtomicUsize::new(0),
            by_client: Mutex::default(),
            most_bytes,
            most_bytes_of_one,
            bytes: AtomicUsize::new(0),
        }
    }

    /// How many requests there are.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    /// How many bytes their bodies take.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// A place for a request of an address; `None` where many clients have the same.
    ///
    /// # Errors
    /// [`Code::Overloaded`], [`Code::TooManyRequests`].
    pub(crate) fn enter(self: &Arc<Self>, address: Option<IpAddr>) -> Result<Place, Refusal> {
        if self.requests.fetch_add(1, Ordering::Relaxed) >= self.most {
            self.requests.fetch_sub(1, Ordering::Relaxed);
            return Err(OVERLOADED);
        }
        let mut place = Place { limits: Arc::clone(self), clients: [None, None] };
        if let Some(address) = address {
            place.count(0, Client::at(address))?;
        }
        Ok(place)
    }

    /// So many bytes of the memory for bodies are of the share of a client.
    fn share(&self, client: &Client, bytes: usize) -> Result<(), Refusal> {
        let mut clients = self.clients();
        let used = clients.entry(client.clone()).or_default();
        if used.bytes.saturating_add(bytes) > self.most_bytes_of_one {
            give_back(&mut clients, client, |_| ());
            return Err(NO_SHARE);
        }
        used.bytes += bytes;
        Ok(())
    }

    fn clients(&self) -> MutexGuard<'_, HashMap<Client, Used>> {
        self.by_client.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client has so much less now; of whom has nothing, nothing is known.
fn give_back(clients: &mut HashMap<Client, Used>, client: &Client, what: impl FnOnce(&mut Used)) {
    if let Some(used) = clients.get_mut(client) {
        what(used);
        if (used.requests, used.bytes) == (0, 0) {
            clients.remove(client);
        }
    }
}

/// The place of a request, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    limits: Arc<InFlight>,
    /// Under what it is counted: its address, and who has sent it.
    clients: [Option<Client>; 2],
}

impl Place {
    /// It is known now who has sent the request.
    ///
    /// # Errors
    /// [`Code::TooManyRequests`].
    pub(crate) fn of(&mut self, identity: &Identity) -> Result<(), Refusal> {
        self.count(1, Client::Identity(identity.clone()))
    }

    fn count(&mut self, under: usize, client: Client) -> Result<(), Refusal> {
        let Some(counted @ None) = self.clients.get_mut(under) else { return Ok(()) };
        let mut clients = self.limits.clients();
        let used = clients.entry(client.clone()).or_default();
        if used.requests >= self.limits.most_of_one {
            return Err(TOO_MANY);
        }
        used.requests += 1;
        *counted = Some(client);
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.limits.requests.fetch_sub(1, Ordering::Relaxed);
        if self.clients.iter().all(Option::is_none) {
            return;
        }
        let mut clients = self.limits.clients();
        for client in self.clients.iter().flatten() {
            give_back(&mut clients, client, |used| used.requests -= 1);
        }
    }
}

/// The memory that a body takes, until it is dropped: from when it is read, not from when it is announced.
#[derive(Debug)]
pub(crate) struct Room {
    limits: Arc<InFlight>,
    taken: Mutex<Taken>,
}

#[derive(Debug)]
struct Taken {
    bytes: usize,
    /// Whose share it is of: at first that of the address, where only one client has it.
    client: Option<Client>,
}

impl Room {
    pub(crate) fn new(limits: &Arc<InFlight>, address: Option<IpAddr>) -> Arc<Self> {
        let taken = Mutex::new(Taken { bytes: 0, client: address.map(Client::at) });
        Arc::new(Self { limits: Arc::clone(limits), taken })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, bytes: usize) -> Result<(), Refusal> {
        let limits = &*self.limits;
        let mut taken = self.taken();
        let all = limits.bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        let shared = if all > limits.most_bytes {
            Err(NO_ROOM)
        } else {
            taken.client.as_ref().map_or(Ok(()), |client| limits.share(client, bytes))
        };
        if shared.is_err() {
            limits.bytes.fetch_sub(bytes, Ordering::Relaxed);
        } else {
            taken.bytes += bytes;
        }
        shared
    }

    /// It is known now whose body it is: the memory is of their share, and not of that of the address any more.
    ///
    /// # Errors
    /// [`Code::TooManyRequests`].
    pub(crate) fn of(&self, identity: &Identity) -> Result<(), Refusal> {
        let mut taken = self.taken();
        let client = Client::Identity(identity.clone());
        if taken.bytes == 0 || taken.client.as_ref() == Some(&client) {
            return Ok(());
        }
        self.limits.share(&client, taken.bytes)?;
        if let Some(before) = taken.client.replace(client) {
            give_back(&mut self.limits.clients(), &before, |used| used.bytes -= taken.bytes);
        }
        Ok(())
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let Taken { bytes, client } = self.taken.get_mut().unwrap_or_else(PoisonError::into_inner);
        if *bytes > 0 {
            self.limits.bytes.fetch_sub(*bytes, Ordering::Relaxed);
            if let Some(client) = client {
                give_back(&mut self.limits.clients(), client, |used| used.bytes -= *bytes);
            }
        }
    }
}

/// A body that takes room as it is read, and ends with a refusal where there is none.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) body: Body,
    pub(crate) room: Arc<Room>,
}

impl http_body::Body for Measured {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
            && let Err(refusal) = self.room.take(data.len())
        {
            return Poll::Ready(Some(Err(axum::Error::new(refusal))));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test panics when it fails")]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    fn code<T>(result: Result<T, Refusal>) -> Option<Code> {
        result.err().map(|refusal| refusal.code())
    }

    #[test]
    fn one_has_so_many_and_all_have_so_many() {
        let limits = Arc::new(InFlight::new(4, 2, 0, 0));
        let [alice, bob] = ["alice", "bob"].map(|name| Identity::new(name).unwrap());
        let (here, there) = (Some(IpAddr::from([192, 0, 2, 1])), Some(IpAddr::from([192, 0, 2, 2])));
        let mut first = limits.enter(here).unwrap();
        let mut second = limits.enter(here).unwrap();
        assert_eq!(code(limits.enter(here)), Some(Code::TooManyRequests));
        let mut third = limits.enter(there).unwrap();
        assert_eq!(limits.requests(), 3, "who is refused has no place");
        first.of(&alice).unwrap();
        second.of(&alice).unwrap();
        assert_eq!(code(third.of(&alice)), Some(Code::TooManyRequests));
        third.of(&bob).unwrap();
        let fourth = limits.enter(None).unwrap();
        assert_eq!(code(limits.enter(None)), Some(Code::Overloaded));
        drop((first, second));
        assert_eq!(limits.requests(), 2);
        let mut fifth = limits.enter(here).unwrap();
        fifth.of(&alice).unwrap();
        drop((third, fourth, fifth));
        assert_eq!((limits.requests(), limits.clients().len()), (0, 0), "nobody is kept");
    }

    #[tokio::test]
    async fn a_body_takes_room_as_it_is_read_and_gives_it_back() {
        let limits = Arc::new(InFlight::new(9, 9, 1000, 250));
        let body =
            |length: usize| Measured { body: Body::from(vec![0; length]), room: Room::new(&limits, None) };
        let mut large = body(700);
        assert_eq!(limits.bytes(), 0, "nothing is read yet");
        large.frame().await.unwrap().unwrap();
        assert_eq!(limits.bytes(), 700);
        let error = body(301).frame().await.unwrap().unwrap_err().into_inner();
        assert_eq!(error.downcast_ref::<Refusal>().unwrap().code(), Code::Overloaded);
        assert_eq!(limits.bytes(), 700, "who is refused takes none");
        assert!(body(300).frame().await.unwrap().is_ok());
        drop(large);
        assert_eq!(limits.bytes(), 0);
    }

    #[tokio::test]
    async fn one_has_a_share_of_the_room_and_another_has_theirs() {
        let limits = Arc::new(InFlight::new(9, 9, 1000, 250));
        let [alice, bob] = ["alice", "bob"].map(|name| Identity::new(name).unwrap());
        let (here, there) = (Some(IpAddr::from([192, 0, 2, 1])), Some(IpAddr::from([192, 0, 2, 2])));
        let take = async |address, length: usize| {
            let room = Room::new(&limits, address);
            let mut body = Measured { body: Body::from(vec![0; length]), room: Arc::clone(&room) };
            match body.frame().await.unwrap() {
                Ok(_) => Ok(room),
                Err(error) => Err(*error.into_inner().downcast::<Refusal>().unwrap()),
            }
        };
        let first = take(here, 250).await.unwrap();
        assert_eq!(code(take(here, 1).await), Some(Code::TooManyRequests));
        assert_eq!(limits.bytes(), 250, "who is refused takes none");
        let second = take(there, 250).await.unwrap();
        // It is alice who has sent both, so the addresses have their shares again.
        first.of(&alice).unwrap();
        first.of(&alice).unwrap();
        assert_eq!(code(second.of(&alice)), Some(Code::TooManyRequests));
        second.of(&bob).unwrap();
        let third = take(here, 250).await.unwrap();
        assert_eq!((limits.bytes(), limits.clients().len()), (750, 3));
        drop((first, second, third));
        assert_eq!((limits.bytes(), limits.clients().len()), (0, 0), "nobody is kept");
    }
}
