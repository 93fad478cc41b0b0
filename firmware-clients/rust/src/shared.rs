//! What the client's thread and the application's threads share.

use crate::{
    error::PublishError,
    event::{Event, Receipt},
    outbox::Outbox,
    room::Room,
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

pub(crate) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    waker: mio::Waker,
}

#[derive(Default)]
pub(crate) struct State {
    /// The application wants it to end.
    pub stop: bool,
    /// The client's thread has ended.
    pub stopped: bool,

    pub rooms: BTreeMap<String, Room>,
    /// The default room's name, or empty until the gateway has told it.
    pub home: String,
    pub outbox: Outbox,
    /// What `publish` waits for, by id.
    pub waiting: BTreeMap<String, Option<Result<Receipt, PublishError>>>,

    pub events: VecDeque<Event>,
    /// How many events wait at most.
    pub queue: usize,
    /// Nobody takes events any more.
    pub deaf: bool,

    pub link: LinkState,
    /// The newest welcome's time in milliseconds, when it was heard, and its clock.
    pub server: Option<(u64, Instant, String)>,
    /// An access token, and when it ends.
    pub access: Option<(String, Instant)>,
}

/// What the application wants of the connection of now.
#[derive(Default)]
pub(crate) struct LinkState {
    /// The welcome has come.
    pub open: bool,
    /// The handshake is behind: rooms that are left have to be told.
    pub begun: bool,
    /// By room, the newest state.
    pub typing: BTreeMap<String, bool>,
    /// Rooms to leave: whether the command has gone out.
    pub leaving: BTreeMap<String, bool>,
}

impl Shared {
    pub(crate) fn new(state: State, waker: mio::Waker) -> Shared {
        Shared { state: Mutex::new(state), changed: Condvar::new(), waker }
    }

    /// The state. Nothing that runs with it held can panic halfway, so a poisoned lock is
    /// as good as another.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, and tells whoever waits for that.
    pub(crate) fn update<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let result = change(&mut self.lock());
        self.changed.notify_all();
        result
    }

    /// Has the client's thread look.
    pub(crate) fn wake(&self) {
        let _ = self.waker.wake(); // a pipe that is full wakes as well
    }

    /// Waits until there is something, which `look` takes, or until the deadline, if there
    /// is one.
    pub(crate) fn wait<R>(
        &self,
        deadline: Option<Instant>,
        mut look: impl FnMut(&mut State) -> Option<R>,
    ) -> Option<R> {
        let mut state = self.lock();
        loop {
            if let Some(found) = look(&mut state) {
                return Some(found);
            }
            let left = match deadline {
                Some(at) => at.saturating_duration_since(Instant::now()),
                None => Duration::from_secs(3600),
            };
            if left.is_zero() {
                return None;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl State {
    pub(crate) fn tell(&mut self, event: Event) {
        if !self.deaf {
            self.events.push_back(event);
        }
    }

    /// Whether there is space for what one more frame may bring.
    pub(crate) fn has_space(&self) -> bool {
        self.events.len() < self.queue
    }

    /// Ends a message: tells its publisher how it went. One that has ended already stays
    /// as it was.
    pub(crate) fn settle(&mut self, id: &str, outcome: Result<Receipt, PublishError>) {
        let entry = match self.outbox.remove(id) {
            Some(entry) => entry,
            None => return,
        };
        if let Some(slot) = self.waiting.get_mut(id) {
            *slot = Some(outcome);
            return;
        }
        self.tell(match outcome {
            Ok(receipt) => Event::Acked(receipt),
            Err(error) => Event::Failed { room: entry.room, id: entry.id, error },
        });
    }

    /// Makes a new connection the one of now, on which nothing has been sent.
    pub(crate) fn begin_link(&mut self) {
        self.link = LinkState { begun: true, ..LinkState::default() };
        self.outbox.again();
        for room in self.rooms.values_mut() {
            room.asked = room.joined;
            room.confirmed = false;
        }
    }

    /// Ends the connection of now.
    pub(crate) fn end_link(&mut self) {
        self.link = LinkState::default();
    }
}
