//! What can go wrong.

use crate::close::Close;
use std::{error, fmt, io, time::Duration};

/// A refusal by the gateway: an HTTP answer (PROTOCOL section 8), or an error frame
/// (section 5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status, or 0 for an error frame.
    pub status: u16,
    /// One of the closed list, for example `forbidden`; empty when something else than
    /// the gateway answered.
    pub code: String,
    /// For people; no program may depend on it.
    pub message: String,
    /// What the failed command named, if it did; else empty.
    pub room: String,
    /// The id of the message that was refused, or empty.
    pub id: String,
    /// When it is worth trying again, in whole seconds for HTTP.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// Whether an HTTP status says that another try may go better.
    pub(crate) fn temporary(&self) -> bool {
        self.status >= 500 || self.status == 429 || self.status == 408
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the gateway refused")?;
        if self.status != 0 {
            write!(f, " with {}", self.status)?;
        }
        if !self.code.is_empty() {
            write!(f, " {}", self.code)?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        Ok(())
    }
}

/// Why a connection ended, a try to get one failed, or the client stopped.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The gateway closed the connection.
    Closed(Close),
    /// The gateway refused a login or a handshake.
    Refused(Box<Refusal>),
    /// The session is over and there is nothing to log in with, or the login was
    /// refused: somebody has to give the client something else.
    LoginNeeded(Option<Box<Refusal>>),
    /// The gateway speaks another version of the protocol.
    Version(u64),
    /// The gateway, or who takes its place, broke RFC 6455, HTTP or the protocol.
    Illegal(String),
    /// Nothing came for longer than the gateway's ping interval and 10 s.
    Silent,
    /// A request, a handshake or a write took longer than `Options::timeout`.
    Timeout,
    /// The network, TLS or the system's randomness failed.
    Io(io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Closed(close) => close.fmt(f),
            Error::Refused(refusal) => refusal.fmt(f),
            Error::LoginNeeded(None) => f.write_str("a new login is needed"),
            Error::LoginNeeded(Some(refusal)) => write!(f, "a new login is needed: {}", refusal),
            Error::Version(version) => write!(f, "the gateway speaks version {} of the protocol, not 1", version),
            Error::Illegal(what) => write!(f, "the gateway broke the protocol: {}", what),
            Error::Silent => f.write_str("the gateway is silent; the connection is taken for dead"),
            Error::Timeout => f.write_str("the gateway took too long"),
            Error::Io(err) => err.fmt(f),
        }
    }
}

impl error::Error for Error {}

impl From<io::Error> for Error {
    fn from(err: io::Error) -> Error {
        Error::Io(err)
    }
}

impl From<getrandom::Error> for Error {
    fn from(err: getrandom::Error) -> Error {
        Error::Io(io::Error::new(io::ErrorKind::Other, format!("no randomness: {}", err)))
    }
}

/// Why a message was not published, or may not have been.
#[derive(Debug)]
#[non_exhaustive]
pub enum PublishError {
    /// An id has 1 to 64 bytes.
    BadId,
    /// The data does not become JSON.
    Data(serde_json::Error),
    /// A message of the same id waits for its ack.
    DuplicateId,
    /// `Options::outbox` messages wait for their acks (`try_send` only).
    Full,
    /// The gateway refused the message; it was not stored.
    Refused(Box<Refusal>),
    /// The message is longer than the gateway takes; it was not stored.
    TooLarge,
    /// Given up before the ack: the message may be stored, or not.
    Unconfirmed,
    /// The client runs no more.
    Stopped,
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PublishError::BadId => f.write_str("an id has 1 to 64 bytes"),
            PublishError::Data(err) => write!(f, "the data: {}", err),
            PublishError::DuplicateId => f.write_str("a message of this id waits for its ack"),
            PublishError::Full => f.write_str("too many messages wait for their acks"),
            PublishError::Refused(refusal) => refusal.fmt(f),
            PublishError::TooLarge => f.write_str("the message is longer than the gateway takes"),
            PublishError::Unconfirmed => f.write_str("given up before the ack; the message may be stored or not"),
            PublishError::Stopped => f.write_str("the client has stopped"),
        }
    }
}

impl error::Error for PublishError {}

/// What is wrong with the options, or with a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(pub(crate) String);

impl ConfigError {
    pub(crate) fn new(what: impl Into<String>) -> ConfigError {
        ConfigError(what.into())
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl error::Error for ConfigError {}
