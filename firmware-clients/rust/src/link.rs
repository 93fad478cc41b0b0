//! One connection: a WebSocket on a socket that never blocks. What its frames mean is in
//! `take`, how it gets a fresh token in `renew`.

use crate::{
    backoff::{Backoff, STABLE_AFTER},
    error::Error,
    frame::Command,
    net::{later, Pulse, Stream},
    outbox::Next,
    reconnect::{Halt, Worker},
    renew::Renewal,
    shared::State,
};
use std::{
    io,
    time::{Duration, Instant},
};
use tungstenite::{
    error::ProtocolError,
    protocol::{frame::coding::CloseCode, CloseFrame, Role, WebSocketConfig},
    Message, Utf8Bytes, WebSocket,
};

/// Added to ping_interval before a silent gateway is taken for gone (PROTOCOL section 7).
pub(crate) const SILENCE_GRACE: Duration = Duration::from_secs(10);
/// How long the answer to a close frame is awaited.
const GOODBYE: Duration = Duration::from_secs(1);
/// How many frames are read, or written, before the others get their turn.
const BATCH: usize = 64;
/// Of the WebSocket's buffers, in bytes. A longer message gets its space while it lasts.
const BUFFER_BYTES: usize = 4096;

pub(crate) struct Link<'a> {
    pub(crate) worker: &'a mut Worker,
    ws: WebSocket<Pulse>,
    /// The connection's token.
    pub(crate) token: String,
    /// When the welcome came.
    pub(crate) welcomed: Option<Instant>,
    /// The longest frame that the gateway takes, in bytes; 0 when it is not known.
    pub(crate) max_message: usize,
    pub(crate) renewal: Renewal,
    /// The tries of the renewal.
    pub(crate) tries: Backoff,

    /// When something last came.
    heard: Instant,
    /// How long nothing may come.
    pub(crate) silence: Duration,
    /// The application takes no events, so nothing is read, which says nothing about the
    /// gateway.
    busy: bool,

    /// What was refused as too fast: nothing but pongs before `quiet_until`, and `pace`
    /// between any two frames from then on.
    pub(crate) quiet_until: Option<Instant>,
    pub(crate) pace: Duration,
    /// When there may be something to write, if that is known.
    write_due: Option<Instant>,

    /// Since when the socket takes no more.
    stuck: Option<Instant>,
    /// Writing has failed, or reading for the first time: the gateway's close frame, which
    /// says why, may still come until then.
    broken: Option<(Error, Instant)>,
    /// The client is to stop, and the answer to its close frame is awaited until then.
    leaving: Option<Instant>,
}

impl<'a> Link<'a> {
    /// Begins with what came behind the answer to the handshake.
    pub(crate) fn new(worker: &'a mut Worker, stream: Stream, first: Vec<u8>, token: String) -> Link<'a> {
        let most = Some(worker.max_message_bytes);
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER_BYTES)
            .write_buffer_size(BUFFER_BYTES)
            .max_message_size(most)
            .max_frame_size(most);
        let silence = worker.timeout;
        Link {
            worker,
            ws: WebSocket::from_partially_read(Pulse::new(stream), first, Role::Client, Some(config)),
            token,
            welcomed: None,
            max_message: 0,
            renewal: Renewal::Idle,
            tries: Backoff::default(),
            heard: Instant::now(),
            silence,
            busy: false,
            quiet_until: None,
            pace: Duration::ZERO,
            write_due: None,
            stuck: None,
            broken: None,
            leaving: None,
        }
    }

    /// Lives on the connection until it ends, and returns why it did.
    pub(crate) fn run(mut self) -> Halt {
        self.worker.shared.update(State::begin_link);
        let halt = loop {
            match self.turn() {
                Ok(until) => self.worker.wait(until),
                Err(halt) => break halt,
            }
        };
        self.worker.shared.update(State::end_link);
        if self.welcomed.map_or(false, |at| at.elapsed() >= STABLE_AFTER) {
            self.worker.backoff.reset();
        }
        if self.leaving.is_some() {
            return Halt::Stop;
        }
        halt
    }

    /// Does what can be done without waiting, and returns until when to wait for more.
    fn turn(&mut self) -> Result<Instant, Halt> {
        if self.leaving.is_none() && self.worker.shared.lock().stop {
            self.leaving = Some(Instant::now() + GOODBYE);
            self.close(CloseCode::Normal);
        }
        let more = self.read()?;
        self.renew_step()?;
        self.write()?;
        let now = Instant::now();
        Ok(if more { now } else { self.due(now)? })
    }

    /// When to do something although nothing comes.
    fn due(&mut self, now: Instant) -> Result<Instant, Halt> {
        let mut due = now + Duration::from_secs(3600);
        if let Some(until) = self.leaving {
            due = due.min(until);
        } else if let Some((error, until)) = self.broken.take() {
            if until <= now {
                return Err(error.into());
            }
            due = due.min(until);
            self.broken = Some((error, until));
        } else if !self.busy {
            due = due.min(self.heard + self.silence);
            if due <= now {
                return Err(Error::Silent.into());
            }
        }
        if self.leaving.map_or(false, |until| until <= now) {
            return Err(Halt::Stop);
        }
        if let Some(since) = self.stuck {
            due = due.min(since + self.worker.timeout);
        }
        let others = [self.write_due, self.renewal.due()];
        Ok(others.iter().flatten().fold(due, |due, other| due.min(*other)))
    }

    /// Reads what has come, and says whether there may be more.
    fn read(&mut self) -> Result<bool, Halt> {
        for _ in 0..BATCH {
            if self.leaving.is_none() && !self.worker.shared.lock().has_space() {
                self.busy = true;
                return Ok(false);
            }
            let result = self.ws.read();
            if self.ws.get_mut().take_heard() || self.busy {
                self.heard = Instant::now();
                self.busy = false;
            }
            match result {
                Ok(message) => self.message(message)?,
                Err(tungstenite::Error::Io(err)) if later(&err) => return Ok(false),
                Err(err) => self.failed(err)?,
            }
        }
        Ok(true)
    }

    fn message(&mut self, message: Message) -> Result<(), Halt> {
        match message {
            Message::Text(text) => self.text(&text),
            Message::Close(frame) => {
                let _ = self.ws.flush(); // the reply, which nobody waits for
                Err(closed(frame).into())
            }
            _ => Ok(()), // pongs are sent by tungstenite; binary frames are of another format
        }
    }

    /// Deals with the end of reading or writing.
    fn failed(&mut self, err: tungstenite::Error) -> Result<(), Halt> {
        use tungstenite::Error as E;
        let error = match err {
            E::Io(err) => {
                return match self.broken.take() {
                    Some((error, _)) => Err(error.into()),
                    None => {
                        self.broken = Some((err.into(), Instant::now() + GOODBYE));
                        Ok(())
                    }
                }
            }
            E::ConnectionClosed | E::AlreadyClosed | E::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
                match self.broken.take() {
                    Some((error, _)) => error,
                    None => Error::Io(io::ErrorKind::UnexpectedEof.into()),
                }
            }
            E::Utf8(_) => self.illegal(CloseCode::Invalid, "a text is not UTF-8"),
            E::Capacity(err) => self.illegal(CloseCode::Size, &err.to_string()),
            err => self.illegal(CloseCode::Protocol, &err.to_string()),
        };
        Err(error.into())
    }

    /// Closes because the other side broke the protocol.
    pub(crate) fn illegal(&mut self, code: CloseCode, what: &str) -> Error {
        self.close(code);
        Error::Illegal(what.to_owned())
    }

    fn close(&mut self, code: CloseCode) {
        let frame = CloseFrame { code, reason: Utf8Bytes::from_static("") };
        let _ = self.ws.close(Some(frame)); // the connection ends either way
    }

    /// Sends what there is to send, as far as the socket takes it.
    fn write(&mut self) -> Result<(), Halt> {
        self.write_due = None;
        if self.broken.is_some() || !self.flush()? || self.leaving.is_some() {
            return Ok(());
        }
        for _ in 0..BATCH {
            let frame = match self.next() {
                Some(frame) => frame,
                None => break,
            };
            match self.ws.write(Message::Text(frame)) {
                Ok(()) => {}
                Err(tungstenite::Error::Io(err)) if later(&err) => break, // it is in the buffer
                Err(err) => return self.failed(err),
            }
        }
        self.flush().map(drop)
    }

    /// Whether everything is written.
    fn flush(&mut self) -> Result<bool, Halt> {
        match self.ws.flush() {
            Ok(()) => {
                self.stuck = None;
                Ok(true)
            }
            Err(tungstenite::Error::Io(err)) if later(&err) => {
                let since = *self.stuck.get_or_insert_with(Instant::now);
                if since.elapsed() >= self.worker.timeout {
                    return Err(Error::Timeout.into());
                }
                Ok(false)
            }
            Err(tungstenite::Error::ConnectionClosed) => Ok(false), // reading says why
            Err(err) => self.failed(err).map(|_| false),
        }
    }

    /// The frame to send now, if there is one.
    fn next(&mut self) -> Option<Utf8Bytes> {
        let now = Instant::now();
        self.welcomed?;
        if let Some(until) = self.quiet_until.filter(|until| *until > now) {
            self.write_due = Some(until);
            return None;
        }
        let shared = self.worker.shared.clone();
        let frame = shared.update(|state| match self.command(state) {
            Some(frame) => Some(frame.into()),
            None => self.publication(state, now),
        });
        if frame.is_some() {
            self.quiet_until = Some(now + self.pace).filter(|_| !self.pace.is_zero());
        } else if self.write_due.is_none() {
            self.quiet_until = None;
        }
        frame
    }

    /// The next command. Rooms are left before they are joined again.
    fn command(&mut self, state: &mut State) -> Option<String> {
        if let Some(token) = self.renewal.take_unsent() {
            return Some(Command { kind: "auth", token, ..Command::default() }.encode());
        }
        if let Some((room, sent)) = state.link.leaving.iter_mut().find(|(_, sent)| !**sent) {
            *sent = true;
            return Some(Command { kind: "unsubscribe", room, ..Command::default() }.encode());
        }
        if let Some(room) = state.rooms.values_mut().find(|room| !room.asked && !room.name.is_empty()) {
            room.asked = true;
            return Some(room.resume().command(&room.name));
        }
        let room = state.link.typing.keys().next()?.clone();
        let active = state.link.typing.remove(&room)?;
        let state = if active { "start" } else { "stop" };
        Some(Command { kind: "typing", room: &room, state, ..Command::default() }.encode())
    }

    /// The next message to publish. What is longer than the gateway takes ends here.
    fn publication(&mut self, state: &mut State, now: Instant) -> Option<Utf8Bytes> {
        if self.max_message > 0 {
            for id in state.outbox.longer_than(self.max_message) {
                state.settle(&id, Err(crate::error::PublishError::TooLarge));
            }
        }
        match state.outbox.next(now) {
            Next::Frame(frame) => Some(frame),
            Next::Wait(wait) => {
                self.write_due = Some(now + wait);
                None
            }
            Next::Nothing => None,
        }
    }
}

/// Why the gateway closed. In the place of a code that no close frame may have (RFC 6455
/// section 7.4) tungstenite puts 1002 and words of its own, which no gateway says: its
/// reasons begin with the code's name.
fn closed(frame: Option<CloseFrame>) -> Error {
    match frame {
        None => Error::Closed(crate::close::Close::new(crate::close::NO_STATUS, "")),
        Some(CloseFrame { code: CloseCode::Protocol, reason }) if reason.as_str() == "Protocol violation" => {
            Error::Illegal("a close frame has a code that none may have".into())
        }
        Some(CloseFrame { code, reason }) => Error::Closed(crate::close::Close::new(code.into(), &reason)),
    }
}
