//! How far the client has come in a room (PROTOCOL section 4).

use crate::{
    event::{Event, Lost, Message, Position, Subscribed},
    frame::{Incoming, Resume},
};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A room that the client is in, or wants to be in.
#[derive(Debug, Default)]
pub(crate) struct Room {
    pub name: String,
    pub latest: bool,
    /// What the application asked to go on from; none once the gateway has answered.
    pub from: Option<Position>,
    /// How far the client has come, once that is known.
    pub at: Option<Position>,
    /// The newest message behind `at` was asked for, and comes unless it is not kept any
    /// more.
    waiting: bool,
    /// The handshake of now joins it.
    pub joined: bool,
    /// Of the connection of now: the subscription has been sent.
    pub asked: bool,
    /// Of the connection of now: the subscription has been answered.
    pub confirmed: bool,
}

impl Room {
    pub(crate) fn new(name: &str, from: Option<Position>, latest: bool) -> Room {
        Room { name: name.to_owned(), from, latest, ..Room::default() }
    }

    /// What to ask for when the client comes back to the room.
    pub(crate) fn resume(&self) -> Resume {
        let at = self.at.as_ref().or(self.from.as_ref());
        Resume {
            after: at.map(|at| at.seq),
            epoch: at.map(|at| at.epoch.clone()).unwrap_or_default(),
            latest: self.latest,
        }
    }

    /// Deals with the answer to a subscription. A second one on the same connection, to a
    /// question that was asked again, says nothing new.
    pub(crate) fn subscribed(&mut self, f: &Incoming, tell: &mut dyn FnMut(Event)) {
        let had = self.resume();
        if self.confirmed || had.after.is_some() && f.recovered.is_none() && f.replay.is_none() {
            return; // the latter answers another question
        }
        let mut told = Subscribed {
            room: self.name.clone(),
            epoch: f.epoch.clone(),
            seq: f.seq,
            recovered: false,
            replay: f.replay.unwrap_or(0),
        };
        let (mut seq, mut lost, mut wait) = (f.seq, None, false);
        match (had.after, f.recovered) {
            (None, _) => wait = self.latest && f.seq > 0,
            (Some(after), Some(true)) => {
                told.recovered = true;
                seq = after; // good in the new epoch, too
            }
            (Some(after), Some(false)) => {
                wait = self.latest && f.seq > 0;
                let to = f.seq - u64::from(wait);
                lost = Some(self.not_recovered(f, &had.epoch, after, to));
            }
            (Some(after), None) => {
                let start = self.kept(f, after);
                seq = start.0;
                lost = start.1;
            }
        }
        // Whoever asked for the newest message steps back in front of it.
        self.at = Some(Position { epoch: f.epoch.clone(), seq: seq - u64::from(wait) });
        self.from = None;
        self.waiting = wait;
        self.confirmed = true;
        tell(Event::Subscribed(told));
        if let Some(lost) = lost {
            tell(Event::Lost(lost));
        }
    }

    fn lost(&self, reason: &str, from: u64, to: u64) -> Lost {
        let epoch = self.at.as_ref().map(|at| at.epoch.clone()).unwrap_or_default();
        Lost { room: self.name.clone(), reason: reason.to_owned(), from, to, epoch, oldest: 0, reset: false }
    }

    /// What a client says whom the gateway could not promise that nothing is missing.
    fn not_recovered(&self, f: &Incoming, epoch: &str, after: u64, to: u64) -> Lost {
        let reset = epoch != f.epoch || after > f.seq;
        let from = if reset { f.from } else { after.saturating_add(1) };
        Lost { epoch: f.epoch.clone(), oldest: f.from, reset, ..self.lost("not_recovered", from, to) }
    }

    /// Where a client stands that came without an epoch, and what it has missed: what is
    /// above `after` and not kept. What is kept and not brought, a gap tells. Who was past
    /// the end was in a room that is no more.
    fn kept(&self, f: &Incoming, after: u64) -> (u64, Option<Lost>) {
        let start = f.seq.saturating_sub(f.replay.unwrap_or(0)).min(f.from.max(1) - 1);
        let of = |lost: Lost| Some(Lost { epoch: f.epoch.clone(), oldest: f.from, ..lost });
        if after > f.seq {
            return (f.seq, of(Lost { reset: true, ..self.lost("not_recovered", f.from, f.seq) }));
        }
        if after < start {
            return (start, of(self.lost("purged", after + 1, start)));
        }
        (after, None)
    }

    /// Deals with a message. One that the client has had is no event.
    pub(crate) fn message(&mut self, f: Incoming, tell: &mut dyn FnMut(Event)) {
        let (had, epoch) = match &self.at {
            Some(at) if self.confirmed && f.seq > at.seq => (at.seq, at.epoch.clone()),
            _ => return,
        };
        let data = match f.data {
            Some(data) => data,
            None => return,
        };
        if f.seq != had + 1 && !(self.waiting && f.seq == had + 2) {
            tell(Event::Lost(self.lost("missing", had + 1, f.seq - 1)));
        }
        self.moved(f.seq);
        tell(Event::Message(Message {
            room: f.room,
            epoch,
            seq: f.seq,
            ts: time_of(f.ts),
            user: f.user,
            id: f.id,
            data,
            encoding: f.encoding,
        }));
    }

    /// Deals with a gap: messages were not sent. What is missing in front of it was not
    /// sent either.
    pub(crate) fn gap(&mut self, f: &Incoming, tell: &mut dyn FnMut(Event)) {
        match &self.at {
            Some(at) if self.confirmed && f.to > at.seq => {
                tell(Event::Lost(self.lost(&f.reason, at.seq + 1, f.to)));
                self.moved(f.to);
            }
            _ => {}
        }
    }

    fn moved(&mut self, seq: u64) {
        self.waiting = false;
        if let Some(at) = &mut self.at {
            at.seq = seq;
        }
    }
}

/// The time of so many milliseconds after 1970.
pub(crate) fn time_of(ms: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_millis(ms)).unwrap_or(UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(json: &str) -> Incoming {
        serde_json::from_str(json).unwrap()
    }

    fn take(room: &mut Room, json: &str) -> Vec<String> {
        let mut events = Vec::new();
        let f = frame(json);
        let mut tell = |e: Event| {
            events.push(match e {
                Event::Subscribed(s) => format!("subscribed {} {} {}", s.seq, s.recovered, s.replay),
                Event::Message(m) => format!("message {}", m.seq),
                Event::Lost(l) => format!("{} {} to {} reset {}", l.reason, l.from, l.to, l.reset),
                e => format!("{:?}", e),
            })
        };
        match f.kind.as_str() {
            "subscribed" => room.subscribed(&f, &mut tell),
            "gap" => room.gap(&f, &mut tell),
            _ => room.message(f, &mut tell),
        }
        events
    }

    fn message(seq: u64) -> String {
        format!(r#"{{"type":"message","room":"r","seq":{},"ts":1,"user":"u","data":null}}"#, seq)
    }

    fn at(epoch: &str, seq: u64) -> Option<Position> {
        Some(Position { epoch: epoch.into(), seq })
    }

    #[test]
    fn a_new_room_begins_with_what_comes() {
        let mut room = Room::new("r", None, false);
        assert!(take(&mut room, &message(4)).is_empty(), "a message before the answer");
        assert_eq!(take(&mut room, r#"{"type":"subscribed","epoch":"e","seq":4}"#), ["subscribed 4 false 0"]);
        assert_eq!(take(&mut room, &message(5)), ["message 5"]);
        assert!(take(&mut room, &message(5)).is_empty(), "the same again");
        assert_eq!(take(&mut room, &message(8)), ["missing 6 to 7 reset false", "message 8"]);
        assert_eq!(room.at, at("e", 8));
    }

    #[test]
    fn the_newest_message_may_be_gone() {
        for (first, want) in [(4, "message 4"), (5, "message 5")] {
            let mut room = Room::new("r", None, true);
            take(&mut room, r#"{"type":"subscribed","epoch":"e","seq":4}"#);
            assert_eq!(room.at, at("e", 3));
            assert_eq!(take(&mut room, &message(first)), [want]);
        }
    }

    #[test]
    fn coming_back() {
        let cases = [
            (r#""epoch":"e2","seq":9,"recovered":true,"replay":2,"from":1"#, "subscribed 9 true 2", "", 7),
            (
                r#""epoch":"e","seq":9,"recovered":false,"from":3"#,
                "subscribed 9 false 0",
                "not_recovered 8 to 9 reset false",
                9,
            ),
            (
                r#""epoch":"e2","seq":9,"recovered":false,"from":3"#,
                "subscribed 9 false 0",
                "not_recovered 3 to 9 reset true",
                9,
            ),
            (
                r#""epoch":"e","seq":5,"recovered":false,"from":3"#,
                "subscribed 5 false 0",
                "not_recovered 3 to 5 reset true",
                5,
            ),
        ];
        for (members, first, second, seq) in cases {
            let mut room = Room::new("r", at("e", 7), false);
            let told = take(&mut room, &format!(r#"{{"type":"subscribed",{}}}"#, members));
            let want: Vec<_> = [first, second].iter().filter(|s| !s.is_empty()).copied().collect();
            assert_eq!(told, want, "{}", members);
            assert_eq!(room.at.unwrap().seq, seq, "{}", members);
        }
    }

    #[test]
    fn coming_without_an_epoch() {
        let cases = [
            (r#""epoch":"e","seq":9,"replay":2,"from":1"#, vec!["subscribed 9 false 2"], 7),
            (
                r#""epoch":"e","seq":12,"replay":3,"from":10"#,
                vec!["subscribed 12 false 3", "purged 8 to 9 reset false"],
                9,
            ),
            (
                r#""epoch":"e","seq":5,"replay":0,"from":1"#,
                vec!["subscribed 5 false 0", "not_recovered 1 to 5 reset true"],
                5,
            ),
        ];
        for (members, want, seq) in cases {
            let mut room = Room::new("r", at("", 7), false);
            assert_eq!(take(&mut room, &format!(r#"{{"type":"subscribed",{}}}"#, members)), want);
            assert_eq!(room.at.unwrap().seq, seq, "{}", members);
        }
    }

    #[test]
    fn gaps() {
        let mut room = Room::new("r", None, false);
        take(&mut room, r#"{"type":"subscribed","epoch":"e","seq":4}"#);
        let gap = r#"{"type":"gap","from":6,"to":8,"reason":"drop_oldest"}"#;
        assert_eq!(take(&mut room, gap), ["drop_oldest 5 to 8 reset false"]);
        assert!(take(&mut room, gap).is_empty(), "the same again");
        assert_eq!(take(&mut room, &message(9)), ["message 9"]);
    }
}
