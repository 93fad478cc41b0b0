//! What an application calls.

use crate::{
    backoff::Backoff,
    error::{ConfigError, PublishError},
    event::{Event, Position, Receipt},
    frame::encode_message,
    http::Opener,
    options::{check_position, Options},
    reconnect::{Worker, WAKER},
    room::{time_of, Room},
    shared::{Shared, State},
    token::{Tokens, RENEW_BEFORE},
};
use serde::Serialize;
use std::{
    collections::VecDeque,
    io,
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant, SystemTime},
};

/// The longest id of a message, in bytes.
const MAX_ID_BYTES: usize = 64;
/// The stack of the client's thread, in bytes. Nothing in it is recursive.
const STACK_BYTES: usize = 256 << 10;

/// One account's connection to one gateway, over all breaks. Its methods may be called from
/// any thread. Dropping it stops it.
pub struct Client {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    id_prefix: String,
    next_id: std::sync::atomic::AtomicUsize,
    outbox: usize,
}

/// What happens, one event at a time and in order; also an iterator, which ends when the
/// client has stopped. While nobody takes events, up to `Options::queue` wait; then the
/// gateway waits, and in the end takes the client for slow. Dropping it throws them away.
pub struct Events {
    shared: Arc<Shared>,
}

impl Client {
    /// Starts a client, which connects on a thread of its own. An error is about the
    /// options, or says that the system has no thread, no poll or no randomness left.
    pub fn start(options: Options) -> Result<(Client, Events), ConfigError> {
        let base = options.check()?;
        #[cfg(not(feature = "rustls"))]
        if base.secure {
            return Err(ConfigError::new("https needs the feature rustls"));
        }
        #[cfg(feature = "rustls")]
        let tls = match (base.secure, &options.tls) {
            (true, None) => return Err(ConfigError::new("https needs Options::tls")),
            (true, Some(tls)) => Some(tls.config(&base.host)?),
            (false, _) => None,
        };
        let system = |err: io::Error| ConfigError::new(err.to_string());
        let poll = mio::Poll::new().map_err(system)?;
        let waker = mio::Waker::new(poll.registry(), WAKER).map_err(system)?;
        let mut random = [0; 9];
        getrandom::fill(&mut random).map_err(|err| ConfigError::new(err.to_string()))?;

        let mut state = State { home: options.room.clone(), queue: options.queue, ..State::default() };
        // A default room without a name gets it with the first welcome.
        state.rooms.insert(options.room.clone(), Room::new(&options.room, options.from, options.latest));
        let shared = Arc::new(Shared::new(state, waker));
        let worker = Worker {
            shared: shared.clone(),
            poll,
            ready: mio::Events::with_capacity(8),
            opener: Opener {
                base,
                #[cfg(feature = "rustls")]
                tls,
            },
            tokens: Tokens::new(options.login),
            backoff: Backoff::default(),
            timeout: options.timeout,
            max_message_bytes: options.max_message_bytes,
            subprotocol: options.subprotocol,
            addresses: Vec::new(),
            unsure: false,
        };
        let builder = std::thread::Builder::new().name("edgegw".into()).stack_size(STACK_BYTES);
        let thread = builder.spawn(move || worker.run()).map_err(system)?;
        let client = Client {
            shared: shared.clone(),
            thread: Some(thread),
            id_prefix: data_encoding::BASE64URL_NOPAD.encode(&random),
            next_id: Default::default(),
            outbox: options.outbox,
        };
        Ok((client, Events { shared }))
    }

    /// Publishes in a room, the default room if its name is empty, and returns when the
    /// gateway has acknowledged the message. The message is sent again, with the same id,
    /// after every reconnect, and stored once. After `patience` it is given up:
    /// [`PublishError::Unconfirmed`].
    ///
    /// The acknowledgement stands behind the events that came before it: whoever takes them
    /// on the same thread has to leave space for them in `Options::queue`, or uses
    /// [`Client::send`].
    pub fn publish<T: Serialize + ?Sized>(
        &self,
        room: &str,
        data: &T,
        patience: Duration,
    ) -> Result<Receipt, PublishError> {
        let deadline = Instant::now().checked_add(patience);
        let id = self.new_id();
        self.enqueue(room, &id, data, true, deadline)?;
        let outcome = self.shared.wait(deadline, |state| match state.waiting.get(&id) {
            Some(None) if !state.stopped => None,
            Some(None) => Some(Err(PublishError::Stopped)),
            _ => state.waiting.remove(&id).flatten(),
        });
        if let Some(outcome) = outcome {
            return outcome;
        }
        self.shared.update(|state| {
            state.outbox.remove(&id);
            // It may have come this very moment.
            state.waiting.remove(&id).flatten().unwrap_or(Err(PublishError::Unconfirmed))
        })
    }

    /// Puts a message on its way and returns its id before it is acknowledged, so that many
    /// can be under way: [`Event::Acked`] or [`Event::Failed`] tells how it went. What one
    /// thread sends to a room is sent in order. It waits while `Options::outbox` messages
    /// are under way.
    ///
    /// The data is anything that becomes JSON; a [`RawValue`](crate::RawValue) goes out as
    /// it is.
    pub fn send<T: Serialize + ?Sized>(&self, room: &str, data: &T) -> Result<String, PublishError> {
        let id = self.new_id();
        self.enqueue(room, &id, data, false, None).map(|_| id)
    }

    /// Like [`Client::send`], for applications that keep messages across restarts: they give
    /// each one the same id, of 1 to 64 bytes, whenever they send it.
    pub fn send_as<T: Serialize + ?Sized>(&self, room: &str, id: &str, data: &T) -> Result<(), PublishError> {
        self.enqueue(room, id, data, false, None)
    }

    /// Like [`Client::send`], but never waits: [`PublishError::Full`].
    pub fn try_send<T: Serialize + ?Sized>(&self, room: &str, data: &T) -> Result<String, PublishError> {
        let id = self.new_id();
        self.enqueue(room, &id, data, false, Some(Instant::now())).map(|_| id)
    }

    fn new_id(&self) -> String {
        let n = self.next_id.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        format!("{}-{}", self.id_prefix, n)
    }

    fn enqueue<T: Serialize + ?Sized>(
        &self,
        room: &str,
        id: &str,
        data: &T,
        waits: bool,
        deadline: Option<Instant>,
    ) -> Result<(), PublishError> {
        let data = serde_json::value::to_raw_value(data).map_err(PublishError::Data)?;
        if id.is_empty() || id.len() > MAX_ID_BYTES {
            return Err(PublishError::BadId);
        }
        let added = self.shared.wait(deadline, |state| {
            if state.stop || state.stopped {
                return Some(Err(PublishError::Stopped));
            }
            if state.outbox.has(id) {
                return Some(Err(PublishError::DuplicateId));
            }
            if state.outbox.len() >= self.outbox {
                return None;
            }
            let room = if room.is_empty() { state.home.clone() } else { room.to_owned() };
            state.outbox.add(&room, id, encode_message(&room, id, &data));
            if waits {
                state.waiting.insert(id.to_owned(), None);
            }
            Some(Ok(()))
        });
        self.shared.wake();
        added.unwrap_or(Err(PublishError::Full))
    }

    /// Joins a room, now and after every reconnect, until [`Client::unsubscribe`] or until
    /// an [`Event::Unsubscribed`] says that it is over. `from` is where to go on; none
    /// begins with what is published from now on. `latest` asks for the newest stored
    /// message whenever what was missed cannot be replayed, the first time included. A room
    /// that the client is in, or is joining, stays as it is.
    ///
    /// The answer is an event: [`Event::Subscribed`], or [`Event::Unsubscribed`] with the
    /// reason.
    pub fn subscribe(&self, room: &str, from: Option<Position>, latest: bool) -> Result<(), ConfigError> {
        if room.is_empty() {
            return Err(ConfigError::new("a room has a name"));
        }
        check_position(&from)?;
        self.shared.lock().rooms.entry(room.to_owned()).or_insert_with(|| Room::new(room, from, latest));
        self.shared.wake();
        Ok(())
    }

    /// Leaves a room. Messages that are on their way may still come; the
    /// [`Event::Unsubscribed`] says that none follow.
    pub fn unsubscribe(&self, room: &str) {
        let mut state = self.shared.lock();
        if !room.is_empty() && state.rooms.remove(room).is_some() && state.link.begun {
            state.link.leaving.insert(room.to_owned(), false);
        }
        drop(state);
        self.shared.wake();
    }

    /// Tells the others in a room, the default room if its name is empty, that the account
    /// types there, or has stopped. While it goes on, tell it again every 3 seconds or so:
    /// it ends by itself after 6. Without a connection nothing is sent, now or later.
    pub fn typing(&self, room: &str, active: bool) {
        let mut state = self.shared.lock();
        if state.link.open {
            let room = if room.is_empty() { state.home.clone() } else { room.to_owned() };
            state.link.typing.insert(room, active);
        }
        drop(state);
        self.shared.wake();
    }

    /// How far the client has come in a room, for an application that goes on there in its
    /// next run. Events that nobody has taken yet count; an application that must not miss
    /// them keeps `epoch` and `seq` of the newest message that it has dealt with.
    pub fn position(&self, room: &str) -> Option<Position> {
        self.shared.lock().rooms.get(room)?.at.clone()
    }

    /// The gateway's time, counted on from the newest welcome, for devices that have no
    /// clock to trust. Not known before the first welcome, nor from a gateway that itself
    /// has no idea of the time (its clock is `none`).
    pub fn server_time(&self) -> Option<SystemTime> {
        let state = self.shared.lock();
        let (ms, heard, clock) = state.server.as_ref()?;
        if clock == "none" {
            return None;
        }
        time_of(*ms).checked_add(heard.elapsed())
    }

    /// The access token of now, for requests of one's own, for example for history, if there
    /// is one that is good for 10 s at least.
    pub fn access_token(&self) -> Option<String> {
        let state = self.shared.lock();
        let (token, until) = state.access.as_ref()?;
        Some(token.clone()).filter(|_| until.saturating_duration_since(Instant::now()) >= RENEW_BEFORE)
    }

    /// Closes the connection and returns when that is done, after a second or so at the
    /// latest (a name server that does not answer can make it longer). What is not
    /// acknowledged is given up. Dropping the client does the same.
    pub fn stop(self) {}
}

impl Drop for Client {
    fn drop(&mut self) {
        self.shared.update(|state| state.stop = true);
        self.shared.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // it has nothing to say
        }
    }
}

impl Events {
    /// The next event; none when the client has stopped.
    pub fn next_event(&self) -> Option<Event> {
        self.take(None)
    }

    /// The next event, if there is one within a time. None also when the client has stopped.
    pub fn next_within(&self, patience: Duration) -> Option<Event> {
        self.take(Instant::now().checked_add(patience))
    }

    /// How many events wait.
    pub fn waiting(&self) -> usize {
        self.shared.lock().events.len()
    }

    fn take(&self, deadline: Option<Instant>) -> Option<Event> {
        let mut was_full = false;
        let taken = self.shared.wait(deadline, |state| {
            was_full = !state.has_space();
            match state.events.pop_front() {
                None if !state.stopped => None,
                event => Some(event),
            }
        });
        if was_full {
            self.shared.wake();
        }
        taken.flatten()
    }
}

impl Iterator for Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.next_event()
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.shared.update(|state| {
            state.deaf = true;
            state.events = VecDeque::new();
        });
        self.shared.wake();
    }
}
