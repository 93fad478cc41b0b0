//! What the gateway's frames mean (PROTOCOL section 5).

use crate::{
    error::{Error, PublishError, Refusal},
    event::{Connected, Event, Receipt},
    frame::Incoming,
    link::{Link, SILENCE_GRACE},
    reconnect::Halt,
    renew::Renewal,
    room::{time_of, Room},
    shared::State,
};
use std::time::{Duration, Instant};
use tungstenite::protocol::frame::coding::CloseCode;

/// The version of the protocol that this client speaks.
const PROTOCOL: u64 = 1;
/// How long a client is quiet that was too fast and was not told how long.
const LEAST_QUIET: Duration = Duration::from_millis(100);
/// Bounds how slow it gets.
const MOST_PACE: Duration = Duration::from_secs(1);

impl Link<'_> {
    /// Deals with one frame. Kinds that it does not know are left alone, so that the
    /// protocol can grow.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), Halt> {
        let f: Incoming = match serde_json::from_str(text) {
            Ok(f) => f,
            Err(_) => {
                return Err(self.illegal(CloseCode::Protocol, "a frame is no JSON object as it should be").into())
            }
        };
        if self.welcomed.is_none() && f.kind != "welcome" {
            return Err(self.illegal(CloseCode::Protocol, "the first frame is no welcome").into());
        }
        let shared = self.worker.shared.clone();
        match f.kind.as_str() {
            "welcome" => return self.welcome(f),
            "subscribed" | "message" | "gap" => shared.update(|state| of_room(state, f)),
            "unsubscribed" => shared.update(|state| left(state, f)),
            "ack" => shared.update(|state| {
                let Incoming { room, id, seq, durability, .. } = f;
                state.settle(&id.clone(), Ok(Receipt { room, id, seq, ts: time_of(f.ts), durability }))
            }),
            "error" => shared.update(|state| self.refused(state, f)),
            "typing" => shared.update(|state| {
                let active = f.state == "start";
                state.tell(Event::Typing { room: f.room, user: f.user, active })
            }),
            "presence" => shared.update(|state| {
                let joined = f.event == "join";
                state.tell(Event::Presence { room: f.room, user: f.user, joined, count: f.count })
            }),
            "token_expiring" => self.expiring(Duration::from_secs(f.expires_in)),
            "auth_ok" => self.authenticated(),
            _ => {}
        }
        Ok(())
    }

    fn welcome(&mut self, f: Incoming) -> Result<(), Halt> {
        if f.protocol != PROTOCOL {
            return Err(Error::Version(f.protocol).into());
        }
        let now = Instant::now();
        self.welcomed = Some(now);
        self.max_message = f.max_message_bytes;
        self.silence = Duration::from_secs(f.ping_interval.min(86400)) + SILENCE_GRACE;
        self.worker.shared.update(|state| {
            name_home(state, &f.room);
            if !state.rooms.contains_key(&state.home) {
                // Left on an earlier connection, and joined again with this one.
                state.link.leaving.insert(state.home.clone(), false);
            }
            state.link.open = true;
            state.server = Some((f.server_time, now, f.clock.clone()));
            state.tell(Event::Connected(Connected {
                user: f.user,
                role: f.role,
                room: f.room,
                connection: f.connection,
                session: f.session,
                server_time: time_of(f.server_time),
                clock: f.clock,
                expires_in: Duration::from_secs(f.expires_in),
                ping_interval: Duration::from_secs(f.ping_interval),
                max_message_bytes: f.max_message_bytes,
            }));
        });
        Ok(())
    }

    /// Deals with an error frame: it is about a message if it has the id of one, about a
    /// subscription that waits for its answer, about a fresh token, or about the rate. What
    /// the client does not put right itself, and nobody waits for, is an event.
    fn refused(&mut self, state: &mut State, f: Incoming) {
        let told = Some(Duration::from_millis(f.retry_after_ms)).filter(|told| !told.is_zero());
        let refusal =
            Refusal { status: 0, code: f.code, message: f.message, room: f.room, id: f.id, retry_after: told };
        let too_fast = refusal.code == "rate_limited";
        // Whether the message is stored, that one does not say; its id is there to ask.
        let again = too_fast || refusal.code == "unavailable";
        if state.outbox.has(&refusal.id) {
            match told {
                None if !again => state.settle(&refusal.id.clone(), Err(PublishError::Refused(Box::new(refusal)))),
                _ => state.outbox.later(&refusal.id, Instant::now() + told.unwrap_or_default().max(LEAST_QUIET)),
            }
            return;
        }
        let waits = |room: &Room| room.asked && !room.confirmed;
        if !refusal.id.is_empty() {
            // It is of a message that is settled.
        } else if refusal.room.is_empty() && too_fast {
            self.slow_down(state, told);
        } else if told.is_none() && state.rooms.get(&refusal.room).map_or(false, waits) {
            state.rooms.remove(&refusal.room);
            state.tell(Event::Unsubscribed { room: refusal.room, reason: refusal.code });
            return;
        } else if refusal.room.is_empty() {
            self.token_refused(&refusal.code);
        }
        state.tell(Event::Problem(refusal));
    }

    /// A frame was lost because there were too many a second. Nobody says which it was, so
    /// everything without an answer is sent again: messages have their ids, and the other
    /// commands may come twice.
    fn slow_down(&mut self, state: &mut State, told: Option<Duration>) {
        let least = if self.pace.is_zero() { LEAST_QUIET } else { Duration::from_millis(1) };
        let wait = told.unwrap_or(least);
        self.quiet_until = Some(Instant::now() + wait);
        self.pace = self.pace.max(wait).min(MOST_PACE);
        state.outbox.again();
        for room in state.rooms.values_mut() {
            room.asked = room.confirmed || room.joined;
        }
        let State { rooms, link, .. } = state;
        link.leaving.retain(|room, _| !rooms.contains_key(room)); // those were joined again since
        link.leaving.values_mut().for_each(|sent| *sent = false);
        self.renewal.send_again();
    }

    fn token_refused(&mut self, code: &str) {
        if !matches!(code, "invalid_token" | "token_expired" | "forbidden") {
            return;
        }
        if let Renewal::Ready { token, sent: true } = &self.renewal {
            self.worker.tokens.not_taken(token, code);
            self.renewal = Renewal::Idle;
        }
    }
}

/// Gives the default room the name that the gateway says.
fn name_home(state: &mut State, name: &str) {
    if !state.home.is_empty() || name.is_empty() {
        return;
    }
    state.home = name.to_owned();
    if let Some(mut room) = state.rooms.remove("") {
        room.name = name.to_owned();
        state.rooms.entry(name.to_owned()).or_insert(room);
    }
}

/// Deals with what moves a room's position.
fn of_room(state: &mut State, f: Incoming) {
    let State { rooms, events, deaf, .. } = state;
    let mut tell = |event| {
        if !*deaf {
            events.push_back(event)
        }
    };
    if let Some(room) = rooms.get_mut(&f.room) {
        match f.kind.as_str() {
            "subscribed" => room.subscribed(&f, &mut tell),
            "gap" => room.gap(&f, &mut tell),
            _ => room.message(f, &mut tell),
        }
    }
}

/// Deals with the end of a subscription.
fn left(state: &mut State, f: Incoming) {
    if f.reason == "requested" {
        state.link.leaving.remove(&f.room);
    } else if state.rooms.get(&f.room).map_or(false, |room| room.confirmed) {
        state.rooms.remove(&f.room);
    }
    state.tell(Event::Unsubscribed { room: f.room, reason: f.reason });
}
