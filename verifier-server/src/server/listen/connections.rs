//! Who is connected: how many may be, and who makes room for whom.
//!
//! A connection on which a request is being answered is never closed. When there are as many as there may be, those go that
//! have waited longest, for a request or to be told of a refusal, of the address that has most: a client that opens connections and says
//! nothing, or nothing that may pass, loses them to others, and nobody else does.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use envelope_core::Code;
use tokio::sync::Notify;

use crate::server::attempts::network;

/// Of this many connections one makes room when there are too many: to find them costs a look at all.
const PART: usize = 64;

/// Who is connected.
#[derive(Debug)]
pub(crate) struct Connections {
    most: usize,
    most_of_one: usize,
    /// Bytes that headers which are not whole may take.
    most_bytes: usize,
    bytes: AtomicUsize,
    evicted: AtomicU64,
    began: Instant,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    all: HashMap<u64, Arc<Connection>>,
    by_client: HashMap<IpAddr, usize>,
}

/// What is known of one connection.
#[derive(Debug)]
pub(super) struct Connection {
    client: IpAddr,
    /// Many are behind it.
    is_proxy: bool,
    /// Milliseconds since the start, and one; 0 while a request is being answered.
    waiting_since: AtomicU64,
    /// A refusal waits until it may be told.
    is_held: AtomicBool,
    /// Bytes of a header that is not whole.
    bytes: AtomicUsize,
    /// Something of an answer may not have been sent.
    owes: AtomicBool,
    /// Something that was not ours to say was not said.
    held_back: AtomicBool,
    leave: Notify,
}

/// A place among the connections, until it is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    connections: Arc<Connections>,
    number: u64,
    connection: Arc<Connection>,
}

impl Connections {
    /// For so many connections, so many of one address, and so many bytes of headers that are not whole.
    pub(crate) fn new(most: usize, most_of_one: usize, most_bytes: usize) -> Self {
        Self {
            most,
            most_of_one,
            most_bytes,
            bytes: AtomicUsize::new(0),
            evicted: AtomicU64::new(0),
            began: Instant::now(),
            open: Mutex::default(),
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.open().all.len()
    }

    /// How many were closed to make room for others, since the start.
    pub(crate) fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    /// Bytes of headers that are not whole.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// A place for a new connection. Behind a proxy there are many clients: its address has no limit of its own.
    ///
    /// # Errors
    /// [`Code::TooManyRequests`] when the address has all that it may have, [`Code::Overloaded`] when nobody can make room.
    pub(super) fn seat(self: &Arc<Self>, peer: IpAddr, is_proxy: bool) -> Result<Seat, Code> {
        let client = network(peer);
        let now = self.now();
        let mut open = self.open();
        let of_client = open.by_client.get(&client).copied().unwrap_or_default();
        if !is_proxy && of_client >= self.most_of_one {
            return Err(Code::TooManyRequests);
        }
        if open.all.len() >= self.most {
            let gone = open.make_room(self.most.div_ceil(PART));
            self.evicted.fetch_add(gone, Ordering::Relaxed);
            if open.all.len() >= self.most {
                return Err(Code::Overloaded);
            }
        }
        let connection = Arc::new(Connection {
            client,
            is_proxy,
            waiting_since: AtomicU64::new(now),
            is_held: AtomicBool::new(false),
            bytes: AtomicUsize::new(0),
            owes: AtomicBool::new(false),
            held_back: AtomicBool::new(false),
            leave: Notify::new(),
        });
        let number = open.next;
        open.next += 1;
        open.all.insert(number, Arc::clone(&connection));
        *open.by_client.entry(client).or_default() += 1;
        drop(open);
        Ok(Seat { connections: Arc::clone(self), number, connection })
    }

    /// Has those leave that have waited longest.
    pub(super) fn make_room(&self) {
        let mut open = self.open();
        let count = open.all.len().div_ceil(PART);
        let gone = open.make_room(count);
        self.evicted.fetch_add(gone, Ordering::Relaxed);
    }

    /// Has the one leave whose header has taken most and is not whole.
    fn free_bytes(&self) {
        let mut open = self.open();
        let waiting = open.all.iter().filter(|(_, connection)| connection.may_leave());
        let largest = waiting.max_by_key(|(_, connection)| connection.bytes.load(Ordering::Relaxed));
        if let Some((number, connection)) = largest.map(|(number, largest)| (*number, Arc::clone(largest))) {
            open.evict(number);
            self.evicted.fetch_add(1, Ordering::Relaxed);
            // At once, not when it has gone: else others would have to go, too.
            self.give_back(&connection);
        }
    }

    fn give_back(&self, connection: &Connection) {
        let bytes = connection.bytes.swap(0, Ordering::Relaxed);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }
}

impl Open {
    /// Has so many of those that wait leave; says how many.
    fn make_room(&mut self, count: usize) -> u64 {
        let mut waiting: Vec<_> = self
            .all
            .iter()
            .filter_map(|(number, connection)| {
                let since = connection.waiting_since.load(Ordering::Relaxed);
                let of_client = self.by_client.get(&connection.client).copied().unwrap_or_default();
                connection.may_leave().then_some((connection.is_proxy, Reverse(of_client), since, *number))
            })
            .collect();
        if count < waiting.len() {
            waiting.select_nth_unstable(count);
            waiting.truncate(count);
        }
        for (.., number) in &waiting {
            self.evict(*number);
        }
        u64::try_from(waiting.len()).unwrap_or(u64::MAX)
    }

    fn evict(&mut self, number: u64) {
        if let Some(connection) = self.remove(number) {
            connection.leave.notify_one();
        }
    }

    fn remove(&mut self, number: u64) -> Option<Arc<Connection>> {
        let connection = self.all.remove(&number)?;
        if let Some(count) = self.by_client.get_mut(&connection.client) {
            *count -= 1;
            if *count == 0 {
                self.by_client.remove(&connection.client);
            }
        }
        Some(connection)
    }
}

impl Connection {
    /// Whether no request is being answered.
    fn is_waiting(&self) -> bool {
        self.waiting_since.load(Ordering::Relaxed) != 0 && !self.is_held.load(Ordering::Relaxed)
    }

    /// Whether nobody misses an answer if it is closed.
    pub(super) fn may_leave(&self) -> bool {
        self.is_quiet() || self.is_held.load(Ordering::Relaxed)
    }

    /// Whether there is nothing that this program could have to say: no request, and every answer is sent.
    pub(super) fn is_quiet(&self) -> bool {
        self.is_waiting() && !self.owes.load(Ordering::Relaxed)
    }

    /// Whether something of the next header has come, to which nothing was said.
    pub(super) fn has_begun(&self) -> bool {
        let came = self.bytes.load(Ordering::Relaxed) > 0;
        self.is_quiet() && (came || self.held_back.load(Ordering::Relaxed))
    }

    /// Something was not said.
    pub(super) fn hold_back(&self) {
        self.held_back.store(true, Ordering::Relaxed);
    }

    /// Everything that was answered has been sent.
    pub(super) fn flushed(&self) {
        if self.is_waiting() {
            self.owes.store(false, Ordering::Relaxed);
        }
    }

    /// Done when another connection needs the place of this one.
    pub(super) async fn asked_to_leave(&self) {
        self.leave.notified().await;
    }
}

impl Seat {
    pub(super) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Bytes have come.
    pub(super) fn came(&self, bytes: usize) {
        if bytes > 0 && self.connection.is_waiting() {
            self.connection.bytes.fetch_add(bytes, Ordering::Relaxed);
            let all = self.connections.bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
            if all > self.connections.most_bytes {
                self.connections.free_bytes();
            }
        }
    }

    /// A request is being answered.
    pub(super) fn begin(&self) {
        self.connection.waiting_since.store(0, Ordering::Relaxed);
        self.connection.owes.store(true, Ordering::Relaxed);
        self.give_back();
    }

    /// All of an answer is on its way, and the next request is waited for.
    pub(super) fn end(&self) {
        self.connection.is_held.store(false, Ordering::Relaxed);
        self.wait();
    }

    /// The answer is a refusal, and waits until it may be told. Whoever waits with it for others' sake does not keep a place from them.
    pub(in crate::server) fn hold(&self) {
        self.connection.is_held.store(true, Ordering::Relaxed);
        self.wait();
    }

    /// It is told now.
    pub(in crate::server) fn release(&self) {
        self.connection.waiting_since.store(0, Ordering::Relaxed);
        self.connection.is_held.store(false, Ordering::Relaxed);
    }

    fn wait(&self) {
        self.connection.waiting_since.store(self.connections.now(), Ordering::Relaxed);
    }

    fn give_back(&self) {
        self.connections.give_back(&self.connection);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.give_back();
        self.connections.open().remove(self.number);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test panics when it fails")]
mod tests {
    use std::time::Duration;

    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    async fn must_leave(seat: &Seat) -> bool {
        tokio::time::timeout(Duration::from_millis(10), seat.connection.asked_to_leave()).await.is_ok()
    }

    #[test]
    fn an_address_has_so_many_and_a_proxy_as_many_as_there_are() {
        let connections = Arc::new(Connections::new(10, 2, 1000));
        let seats = [1, 1, 2].map(|last| connections.seat(address(last), false).unwrap());
        assert_eq!(connections.seat(address(1), false).unwrap_err(), Code::TooManyRequests);
        let proxied: Vec<_> = (0..5).map(|_| connections.seat(address(3), true).unwrap()).collect();
        drop(seats);
        assert!(connections.seat(address(1), false).is_ok());
        assert_eq!(connections.len(), proxied.len());
    }

    #[tokio::test]
    async fn whoever_has_most_and_waits_longest_makes_room() {
        let connections = Arc::new(Connections::new(4, 4, 1000));
        let single = connections.seat(address(1), false).unwrap();
        let greedy = [(); 3].map(|()| connections.seat(address(2), false).unwrap());
        greedy[0].begin();
        // The first is being answered, so the second has waited longest.
        tokio::time::sleep(Duration::from_millis(5)).await;
        greedy[2].end();
        let newcomer = connections.seat(address(3), false).unwrap();
        assert_eq!((connections.len(), connections.evicted()), (4, 1));
        assert!(must_leave(&greedy[1]).await);
        for seat in [&single, &greedy[0], &greedy[2], &newcomer] {
            assert!(!must_leave(seat).await);
        }
        for seat in [&single, &greedy[2], &newcomer] {
            seat.begin();
        }
        assert_eq!(connections.seat(address(4), false).unwrap_err(), Code::Overloaded);
        drop(greedy);
        assert_eq!(connections.len(), 2);
        assert!(connections.seat(address(4), false).is_ok());
    }

    #[tokio::test]
    async fn the_largest_header_that_is_not_whole_makes_room() {
        let connections = Arc::new(Connections::new(10, 10, 1000));
        let [small, large, answered] = [1, 2, 3].map(|last| connections.seat(address(last), false).unwrap());
        answered.came(700);
        answered.begin();
        assert_eq!(connections.waiting_bytes(), 0, "a header that is whole does not count");
        answered.came(700);
        small.came(300);
        large.came(600);
        assert_eq!(connections.evicted(), 0);
        small.came(200);
        assert!(must_leave(&large).await && !must_leave(&small).await && !must_leave(&answered).await);
        drop(large);
        assert_eq!(connections.waiting_bytes(), 500);
        drop(small);
        assert_eq!(connections.waiting_bytes(), 0);
    }

    #[tokio::test]
    async fn who_waits_to_be_refused_makes_room_and_who_takes_an_answer_does_not() {
        let connections = Arc::new(Connections::new(2, 4, 1000));
        let [held, slow] = [1, 2].map(|last| connections.seat(address(last), false).unwrap());
        for seat in [&held, &slow] {
            seat.begin();
        }
        // All of its answer is on its way, and the client has not taken it.
        slow.end();
        held.hold();
        assert!(held.connection.may_leave() && !held.connection.is_quiet() && !slow.connection.may_leave());
        let newcomer = connections.seat(address(3), false).unwrap();
        assert!(must_leave(&held).await && !must_leave(&slow).await && !must_leave(&newcomer).await);
        newcomer.begin();
        newcomer.hold();
        newcomer.release();
        assert_eq!(connections.seat(address(4), false).unwrap_err(), Code::Overloaded, "it is being told");
    }

    #[tokio::test]
    async fn a_proxy_makes_room_last() {
        let connections = Arc::new(Connections::new(4, 2, 1000));
        let proxied = [(); 3].map(|()| connections.seat(address(1), true).unwrap());
        let direct = connections.seat(address(2), false).unwrap();
        let _newcomer = connections.seat(address(3), false).unwrap();
        assert!(must_leave(&direct).await);
        for seat in &proxied {
            assert!(!must_leave(seat).await);
        }
    }

    #[test]
    fn what_was_answered_is_owed_until_it_is_sent() {
        let connections = Arc::new(Connections::new(10, 10, 1000));
        let seat = connections.seat(address(1), false).unwrap();
        let connection = seat.connection();
        assert!(connection.is_quiet() && !connection.has_begun());
        seat.came(1);
        assert!(connection.has_begun());
        seat.begin();
        connection.flushed();
        assert!(!connection.is_quiet(), "a request is being answered");
        seat.end();
        assert!(!connection.is_quiet() && !connection.may_leave(), "its end was not sent");
        connection.flushed();
        assert!(connection.is_quiet() && !connection.has_begun());
    }
}
