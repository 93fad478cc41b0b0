//! How the gateway ends a connection, and what a client does then (PROTOCOL section 7).

use std::{fmt, time::Duration};

/// The code of a close frame that had none (RFC 6455 section 7.1.5).
pub(crate) const NO_STATUS: u16 = 1005;

/// How the gateway ended a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// That of the close frame, or 1005 when it had none.
    pub code: u16,
    /// Starts with the code's name, for example `slow_consumer`.
    pub reason: String,
    /// How long the gateway wants the client to stay away, in milliseconds on the wire.
    pub retry_after: Option<Duration>,
}

/// What a client does after a close code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Reconnect,
    /// Reconnect with a new token.
    Refresh,
    /// Reconnect, and never send again what was too long.
    Skip,
    /// Reconnect after a new login.
    Login,
    Stop,
}

impl Close {
    pub(crate) fn new(code: u16, reason: &str) -> Close {
        let told = reason.split_whitespace().filter_map(|word| word.strip_prefix("retry_after_ms="));
        let ms = told.filter_map(|ms| ms.parse::<u32>().ok()).rfind(|ms| *ms > 0);
        Close { code, reason: reason.to_owned(), retry_after: ms.map(|ms| Duration::from_millis(ms.into())) }
    }

    /// The table of close codes: 4000 to 4499 reconnect, 4500 to 4999 do not, any other
    /// code reconnects; and then there are the exceptions.
    pub(crate) fn action(&self) -> Action {
        match self.code {
            1002 | 1007 => Action::Stop,
            1009 => Action::Skip,
            4001 => Action::Refresh,
            4501 => Action::Login,
            4500..=4999 => Action::Stop,
            _ => Action::Reconnect,
        }
    }
}

impl fmt::Display for Close {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the gateway closed the connection with {} {}", self.code, self.reason)
    }
}
