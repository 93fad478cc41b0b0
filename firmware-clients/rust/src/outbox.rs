//! What is published and not acknowledged, in order (PROTOCOL section 4).

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use tungstenite::Utf8Bytes;

/// How many messages of a room may be sent and not acknowledged: as many newest ids as a
/// gateway knows again after any time.
const WINDOW: u64 = 64;

/// A message on its way.
#[derive(Debug)]
pub(crate) struct Entry {
    pub room: String,
    pub id: String,
    pub frame: Utf8Bytes,
    /// Among those of its room.
    order: u64,
    /// On the connection of now.
    sent: bool,
    /// The gateway asked to wait.
    not_before: Option<Instant>,
}

/// What there is to send.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Frame(Utf8Bytes),
    /// Something, after so long.
    Wait(Duration),
    /// Nothing, until an ack or another message comes.
    Nothing,
}

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    list: Vec<Entry>,
    /// The number of the next message of each room that has one.
    orders: BTreeMap<String, u64>,
}

impl Outbox {
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn has(&self, id: &str) -> bool {
        self.list.iter().any(|entry| entry.id == id)
    }

    /// Puts a message behind the others.
    pub(crate) fn add(&mut self, room: &str, id: &str, frame: String) {
        let next = self.orders.entry(room.to_owned()).or_insert(0);
        let entry = Entry {
            room: room.into(),
            id: id.into(),
            frame: frame.into(),
            order: *next,
            sent: false,
            not_before: None,
        };
        *next += 1;
        self.list.push(entry);
    }

    /// Takes a message out, for good.
    pub(crate) fn remove(&mut self, id: &str) -> Option<Entry> {
        let entry = self.list.remove(self.list.iter().position(|entry| entry.id == id)?);
        if !self.list.iter().any(|other| other.room == entry.room) {
            self.orders.remove(&entry.room);
        }
        Some(entry)
    }

    /// The first message that may be sent now; it counts as sent.
    pub(crate) fn next(&mut self, now: Instant) -> Next {
        let mut oldest: BTreeMap<&str, u64> = BTreeMap::new();
        let (mut found, mut wait) = (None, None);
        for (n, entry) in self.list.iter().enumerate() {
            let first = *oldest.entry(&entry.room).or_insert(entry.order);
            if entry.sent || entry.order - first >= WINDOW {
                continue;
            }
            let left = entry.not_before.map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
            if left.is_zero() {
                found = Some(n);
                break;
            }
            wait = Some(wait.map_or(left, |wait: Duration| wait.min(left)));
        }
        match (found, wait) {
            (Some(n), _) => {
                self.list[n].sent = true;
                Next::Frame(self.list[n].frame.clone())
            }
            (None, Some(wait)) => Next::Wait(wait),
            (None, None) => Next::Nothing,
        }
    }

    /// Has everything sent again that is not acknowledged.
    pub(crate) fn again(&mut self) {
        for entry in &mut self.list {
            entry.sent = false;
        }
    }

    /// Has a message sent again, but not before a time.
    pub(crate) fn later(&mut self, id: &str, at: Instant) {
        for entry in self.list.iter_mut().filter(|entry| entry.id == id) {
            entry.sent = false;
            entry.not_before = Some(at);
        }
    }

    /// The id of the longest message that was sent.
    pub(crate) fn longest(&self) -> Option<String> {
        let sent = self.list.iter().filter(|entry| entry.sent);
        sent.max_by_key(|entry| entry.frame.len()).map(|entry| entry.id.clone())
    }

    /// The ids of messages that are longer than the gateway takes, in bytes.
    pub(crate) fn longer_than(&self, most: usize) -> Vec<String> {
        self.list.iter().filter(|entry| entry.frame.len() > most).map(|entry| entry.id.clone()).collect()
    }

    /// The ids of all.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.list.iter().map(|entry| entry.id.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(next: Next) -> String {
        match next {
            Next::Frame(frame) => frame.as_str().to_owned(),
            next => format!("{:?}", next),
        }
    }

    #[test]
    fn in_order_and_again() {
        let (mut outbox, now) = (Outbox::default(), Instant::now());
        for id in ["a", "b", "c"] {
            outbox.add("r", id, id.to_uppercase());
        }
        assert_eq!((frame(outbox.next(now)), frame(outbox.next(now))), ("A".into(), "B".into()));
        assert!(outbox.remove("a").is_some() && outbox.remove("a").is_none());
        outbox.again();
        assert_eq!((frame(outbox.next(now)), frame(outbox.next(now))), ("B".into(), "C".into()));
        assert_eq!(outbox.next(now), Next::Nothing);
    }

    #[test]
    fn the_window_is_of_a_room_and_counted_from_the_oldest() {
        let (mut outbox, now) = (Outbox::default(), Instant::now());
        for n in 0..WINDOW + 2 {
            outbox.add("r", &format!("r{}", n), format!("R{}", n));
        }
        outbox.add("s", "s", "S".into());
        for n in 0..WINDOW {
            assert_eq!(frame(outbox.next(now)), format!("R{}", n));
        }
        assert_eq!(frame(outbox.next(now)), "S");
        outbox.remove("r5"); // the oldest still waits
        assert_eq!(outbox.next(now), Next::Nothing);
        outbox.remove("r0");
        assert_eq!(frame(outbox.next(now)), format!("R{}", WINDOW));
    }

    #[test]
    fn what_has_to_wait_lets_others_pass() {
        let (mut outbox, now) = (Outbox::default(), Instant::now());
        outbox.add("r", "a", "A".into());
        outbox.add("r", "b", "B".into());
        frame(outbox.next(now));
        let second = Duration::from_secs(1);
        outbox.later("a", now + second);
        assert_eq!(frame(outbox.next(now)), "B");
        assert_eq!(outbox.next(now), Next::Wait(second));
        assert_eq!(frame(outbox.next(now + second)), "A");
    }

    #[test]
    fn too_long() {
        let (mut outbox, now) = (Outbox::default(), Instant::now());
        outbox.add("r", "short", "x".into());
        outbox.add("r", "long", "x".repeat(50));
        assert_eq!(outbox.longest(), None, "nothing was sent");
        frame(outbox.next(now));
        assert_eq!(outbox.longest().as_deref(), Some("short"));
        frame(outbox.next(now));
        assert_eq!(outbox.longest().as_deref(), Some("long"));
        assert_eq!(outbox.longer_than(49), ["long"]);
    }
}
