//! The client's thread: it connects, and after each end decides whether and when to try
//! again (PROTOCOL section 7).

use crate::{
    backoff::{spread, Backoff},
    close::Action,
    error::{Error, PublishError},
    event::Event,
    frame::add,
    http::{Answer, Exchange, Opener},
    link::Link,
    net::Stream,
    shared::Shared,
    token::{Ask, Tokens},
};
use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

/// Of the poll: whoever calls `Shared::wake`.
pub(crate) const WAKER: mio::Token = mio::Token(0);
/// Of the poll: the WebSocket.
const SOCKET: mio::Token = mio::Token(1);
/// Of the poll: a request.
pub(crate) const REQUEST: mio::Token = mio::Token(2);

/// Why something ended.
pub(crate) enum Halt {
    /// The application wants it to.
    Stop,
    Failed(Error),
}

impl From<Error> for Halt {
    fn from(err: Error) -> Halt {
        Halt::Failed(err)
    }
}

pub(crate) struct Worker {
    pub shared: Arc<Shared>,
    pub poll: mio::Poll,
    pub ready: mio::Events,
    pub opener: Opener,
    pub tokens: Tokens,
    pub backoff: Backoff,
    pub timeout: Duration,
    pub max_message_bytes: usize,
    pub subprotocol: bool,
    /// The gateway's, as they were last resolved.
    pub addresses: Vec<SocketAddr>,
    /// A handshake failed and no answer of the gateway said why.
    pub unsure: bool,
}

/// Says that the thread has ended, also when `Login::save` has panicked.
struct Ended(Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.update(|state| state.stopped = true);
    }
}

impl Worker {
    /// Connects, and connects again, until the application stops it or it is of no use to
    /// go on.
    pub(crate) fn run(mut self) {
        let _ended = Ended(self.shared.clone());
        let last = self.stay_connected();
        self.shared.update(|state| {
            state.stopped = true; // with what follows, so that no message comes in between
            for id in state.outbox.ids() {
                if last.is_some() || state.waiting.contains_key(&id) {
                    state.settle(&id, Err(PublishError::Unconfirmed));
                }
            }
            if let Some(error) = last {
                state.tell(Event::Stopped(error));
            }
        });
    }

    /// Returns why it stopped by itself.
    fn stay_connected(&mut self) -> Option<Arc<Error>> {
        loop {
            let error = match self.connect() {
                Halt::Stop => return None,
                Halt::Failed(error) => error,
            };
            let wait = if self.learn(&error) { None } else { Some(self.wait_after(&error)) };
            let error = Arc::new(error);
            if !self.has_space() {
                return None;
            }
            self.shared.update(|state| state.tell(Event::Disconnected { error: error.clone(), wait }));
            match wait {
                None => return Some(error),
                Some(wait) if !self.sleep(wait) => return None,
                Some(_) => {}
            }
        }
    }

    /// Tries once to get a connection, and lives on it until it ends.
    fn connect(&mut self) -> Halt {
        match self.handshake() {
            Ok((stream, first, token)) => Link::new(self, stream, first, token).run(),
            Err(halt) => halt,
        }
    }

    fn handshake(&mut self) -> Result<(Stream, Vec<u8>, String), Halt> {
        let (token, is_new) = self.token()?;
        if self.unsure && !is_new {
            // Nothing said why the last handshake failed; this one does not go in blind.
            let refused = self.me(&token)?;
            if let Some(answer) = refused {
                let refusal = answer.refusal();
                self.unsure = refusal.temporary();
                self.blame(&token, &answer);
                return Err(Error::Refused(refusal).into());
            }
        }
        self.unsure = true;
        let key = tungstenite::handshake::client::generate_key();
        let (protocol, auth) = match self.subprotocol {
            true => ("bearer", format!("Sec-WebSocket-Protocol: bearer, {}", token)),
            false => ("", format!("Authorization: Bearer {}", token)),
        };
        let headers = format!(
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {}\r\n{}\r\n",
            key, auth
        );
        let path = format!("/ws{}", self.query());
        let out = self.opener.request("GET", &path, &headers, "");
        let (answer, stream) = self.exchange(out, SOCKET)?;
        self.unsure = false;
        if answer.status != 101 {
            self.blame(&token, &answer);
            return Err(Error::Refused(answer.refusal()).into());
        }
        if let Err(what) = check_answer(&answer, &key, protocol) {
            self.unsure = true;
            return Err(Error::Illegal(format!("the answer to the handshake {}", what)).into());
        }
        self.tokens.taken();
        Ok((stream, answer.body, token))
    }

    /// The query of a handshake (PROTOCOL section 2). Notes the room that it joins, unless
    /// the application has left that.
    fn query(&mut self) -> String {
        self.shared.update(|state| {
            let mut query = String::new();
            if !state.home.is_empty() {
                add(&mut query, "room", &state.home);
            }
            let home = state.home.clone();
            for (name, room) in &mut state.rooms {
                room.joined = *name == home;
            }
            if let Some(room) = state.rooms.get(&home) {
                room.resume().add_to(&mut query);
            }
            query
        })
    }

    /// An access token that lives for some seconds at least, and whether it is a new one,
    /// which the gateway has just made.
    fn token(&mut self) -> Result<(String, bool), Halt> {
        if let Some(token) = self.tokens.good() {
            return Ok((token, false));
        }
        loop {
            let (ask, began) = (self.tokens.ask()?, Instant::now());
            let out = self.opener.request("POST", ask.path, "Connection: close\r\n", &ask.body);
            let (answer, _) = self.exchange(out, REQUEST)?;
            if self.answered(&ask, began, &answer)? {
                return Ok((self.tokens.access.clone(), true));
            }
        }
    }

    /// Deals with the answer to a request for tokens; false: ask again.
    pub(crate) fn answered(&mut self, ask: &Ask, began: Instant, answer: &Answer) -> Result<bool, Error> {
        let done = self.tokens.answered(ask, began, answer)?;
        if done {
            let access = Some((self.tokens.access.clone(), self.tokens.until()));
            self.shared.update(|state| state.access = access);
        }
        Ok(done)
    }

    /// Asks whether the gateway takes the token, and returns the answer if it does not.
    fn me(&mut self, token: &str) -> Result<Option<Answer>, Halt> {
        let headers = format!("Connection: close\r\nAuthorization: Bearer {}\r\n", token);
        let out = self.opener.request("GET", "/auth/me", &headers, "");
        let (answer, _) = self.exchange(out, REQUEST)?;
        Ok(Some(answer).filter(|answer| answer.status != 200))
    }

    /// Notes what an answer says about the token that was asked with.
    fn blame(&mut self, token: &str, answer: &Answer) {
        if answer.status == 401 {
            self.tokens.not_taken(token, &answer.refusal().code);
        }
    }

    /// Sends a request and waits for the answer.
    fn exchange(&mut self, out: Vec<u8>, token: mio::Token) -> Result<(Answer, Stream), Halt> {
        self.addresses = self.opener.base.resolve()?;
        let mut exchange = Exchange::new(&self.opener, self.addresses.clone(), token, out, self.timeout);
        loop {
            if self.shared.lock().stop {
                return Err(Halt::Stop);
            }
            if let Some(answer) = exchange.step(self.poll.registry())? {
                let stream = exchange.into_stream().ok_or(Error::Timeout)?;
                return Ok((answer, stream));
            }
            self.wait(exchange.due());
        }
    }

    /// Waits until something comes, somebody wakes it, or a time.
    pub(crate) fn wait(&mut self, until: Instant) {
        let left = until.saturating_duration_since(Instant::now());
        if self.poll.poll(&mut self.ready, Some(left)).is_err() {
            // A signal; or the kernel has no memory, and then not at full speed.
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits; false when the application stops it.
    fn sleep(&mut self, wait: Duration) -> bool {
        let until = Instant::now() + wait;
        while !self.shared.lock().stop {
            if Instant::now() >= until {
                return true;
            }
            self.wait(until);
        }
        false
    }

    /// Waits for space in the application's queue; false when the application stops it.
    fn has_space(&mut self) -> bool {
        loop {
            let (stop, space) = {
                let state = self.shared.lock();
                (state.stop, state.has_space())
            };
            if stop || space {
                return !stop;
            }
            self.wait(Instant::now() + Duration::from_secs(3600));
        }
    }

    /// Draws the consequences of the end of a connection, or of a failed try. True: there
    /// is no sense in another one.
    fn learn(&mut self, error: &Error) -> bool {
        let close = match error {
            Error::LoginNeeded(_) | Error::Version(_) => return true,
            Error::Refused(refusal) => return refusal.status == 400 || refusal.status == 403,
            Error::Closed(close) => close,
            _ => return false,
        };
        match close.action() {
            Action::Stop => return true,
            Action::Login => self.tokens.ended(),
            Action::Refresh => self.tokens.expire(),
            // The gateway takes nothing of its length, and would say so every time.
            Action::Skip => self.shared.update(|state| {
                if let Some(id) = state.outbox.longest() {
                    state.settle(&id, Err(PublishError::TooLarge));
                }
            }),
            Action::Reconnect => {}
        }
        false
    }

    /// How long to wait after an error. What the gateway says goes; Retry-After is in whole
    /// seconds, so those who got the same are spread over the second behind it.
    fn wait_after(&mut self, error: &Error) -> Duration {
        match error {
            Error::Closed(close) => close.retry_after.map(|told| self.backoff.told(told)),
            Error::Refused(refusal) => {
                refusal.retry_after.map(|told| self.backoff.told(told + spread(Duration::from_secs(1))))
            }
            _ => None,
        }
        .unwrap_or_else(|| self.backoff.next())
    }
}

/// RFC 6455 section 4.1, and what the gateway promises of the subprotocol.
fn check_answer(answer: &Answer, key: &str, protocol: &str) -> Result<(), &'static str> {
    let is = |name, value: &str| answer.header(name).map_or(false, |has| has.trim().eq_ignore_ascii_case(value));
    if !is("upgrade", "websocket") || !is("connection", "upgrade") {
        return Err("does not upgrade");
    }
    let accept = tungstenite::handshake::derive_accept_key(key.as_bytes());
    if answer.header("sec-websocket-accept").map(str::trim) != Some(accept.as_str()) {
        return Err("is not to ours");
    }
    if answer.header("sec-websocket-extensions").is_some() {
        return Err("has extensions that nobody asked for");
    }
    if answer.header("sec-websocket-protocol").unwrap_or("") != protocol {
        return Err("has another subprotocol");
    }
    Ok(())
}
