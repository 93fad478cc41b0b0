//! Which gateway, as whom.

use crate::{error::ConfigError, event::Position, net::Base};
use std::{fmt, time::Duration};

/// What [`Client::start`](crate::Client::start) needs to know.
#[derive(Debug)]
#[non_exhaustive]
pub struct Options {
    /// The gateway's address, `http://HOST:PORT` or `https://HOST`.
    pub url: String,
    /// As whom.
    pub login: Login,
    /// The default room; empty leaves it to the token, and then to the gateway, which
    /// takes `lobby`.
    pub room: String,
    /// Where to go on in the default room: what an earlier run had. None begins with what
    /// is published from now on. Needs `room`.
    pub from: Option<Position>,
    /// Asks for the newest stored message of the default room whenever what was missed
    /// cannot be replayed, the first time included.
    pub latest: bool,
    /// How many events wait for the application at most; 256 if not said. Behind that the
    /// gateway waits, and in the end takes the client for slow.
    pub queue: usize,
    /// How many messages wait for their acks at most, in all rooms; 256 if not said.
    pub outbox: usize,
    /// The longest message that is taken from the gateway, in bytes; 8 MiB if not said,
    /// which holds whatever a gateway lets anyone publish.
    pub max_message_bytes: usize,
    /// How long a request, a handshake with its welcome, and a write may take; 10 s if not
    /// said.
    pub timeout: Duration,
    /// Sends the token in `Sec-WebSocket-Protocol`, as browsers have to, instead of in
    /// `Authorization`.
    pub subprotocol: bool,
    /// Whom to trust over https; required for it.
    #[cfg(feature = "rustls")]
    pub tls: Option<crate::tls::Tls>,
}

impl Options {
    /// The options that are required; the others are as their comments say.
    pub fn new(url: impl Into<String>, login: Login) -> Options {
        Options {
            url: url.into(),
            login,
            room: String::new(),
            from: None,
            latest: false,
            queue: 256,
            outbox: 256,
            max_message_bytes: 8 << 20,
            timeout: Duration::from_secs(10),
            subprotocol: false,
            #[cfg(feature = "rustls")]
            tls: None,
        }
    }

    /// Checks the options, and takes the address apart.
    pub(crate) fn check(&self) -> Result<Base, ConfigError> {
        let base = Base::parse(&self.url)?;
        let said = |wrong: bool, what: &str| if wrong { Err(ConfigError::new(what)) } else { Ok(()) };
        said(self.from.is_some() && self.room.is_empty(), "from needs room")?;
        said(self.queue == 0 || self.outbox == 0, "queue and outbox are 1 at least")?;
        said(self.timeout.is_zero(), "timeout is more than nothing")?;
        self.login.check()?;
        check_position(&self.from)?;
        Ok(base)
    }
}

/// Refuses what no gateway has given.
pub(crate) fn check_position(at: &Option<Position>) -> Result<(), ConfigError> {
    match at {
        Some(at) if at.seq > 1 << 53 || at.epoch.len() > 64 => {
            Err(ConfigError::new("no gateway has given such a position"))
        }
        _ => Ok(()),
    }
}

/// Is given each new refresh token.
pub(crate) type Save = Box<dyn FnMut(&str) + Send>;

/// What a client logs in with.
#[derive(Default)]
pub struct Login {
    pub(crate) device_key: Option<String>,
    pub(crate) password: Option<(String, String)>,
    pub(crate) refresh_token: Option<String>,
    pub(crate) save: Option<Save>,
}

impl Login {
    /// As a device.
    pub fn device(key: impl Into<String>) -> Login {
        Login { device_key: Some(key.into()), ..Login::default() }
    }

    /// As a person.
    pub fn password(username: impl Into<String>, password: impl Into<String>) -> Login {
        Login { password: Some((username.into(), password.into())), ..Login::default() }
    }

    /// With nothing but the session of an earlier run.
    pub fn session(refresh_token: impl Into<String>) -> Login {
        Login::default().refresh_token(refresh_token)
    }

    /// Goes on with the session of an earlier run first. That spares the gateway a password
    /// hash.
    pub fn refresh_token(mut self, token: impl Into<String>) -> Login {
        self.refresh_token = Some(token.into());
        self
    }

    /// Keeps the session's newest refresh token for the next run, where a power cut cannot
    /// tear it. It is called before the tokens are used, on the client's thread, which
    /// waits; if the power goes before it has returned, the token before still works.
    pub fn save(mut self, save: impl FnMut(&str) + Send + 'static) -> Login {
        self.save = Some(Box::new(save));
        self
    }

    fn check(&self) -> Result<(), ConfigError> {
        let empty = |s: &Option<String>| s.as_deref() == Some("");
        let half = self.password.as_ref().map_or(false, |(name, password)| name.is_empty() || password.is_empty());
        if empty(&self.device_key) || empty(&self.refresh_token) || half {
            return Err(ConfigError::new("login is with something that is empty"));
        }
        Ok(())
    }
}

impl fmt::Debug for Login {
    /// Says which, and no secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (&self.device_key, &self.password) {
            (Some(_), _) => "Login(device)",
            (_, Some(_)) => "Login(password)",
            _ => "Login(session)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused() {
        let ok = || Options::new("http://gateway:8080", Login::device("key"));
        assert!(ok().check().is_ok());
        type Change = fn(&mut Options);
        let bad: [(&str, Change); 10] = [
            ("scheme", |o| o.url = "ws://gateway".into()),
            ("host", |o| o.url = "http://:80".into()),
            ("port", |o| o.url = "http://gateway:x".into()),
            ("query", |o| o.url = "http://gateway/?a".into()),
            ("user", |o| o.url = "http://a@gateway".into()),
            ("key", |o| o.login = Login::device("")),
            ("password", |o| o.login = Login::password("ada", "")),
            ("from", |o| o.from = Some(Position::default())),
            ("queue", |o| o.queue = 0),
            ("timeout", |o| o.timeout = Duration::ZERO),
        ];
        for (name, change) in bad {
            let mut options = ok();
            change(&mut options);
            assert!(options.check().is_err(), "{}", name);
        }
        let mut options = ok();
        options.room = "r".into();
        options.from = Some(Position { seq: (1 << 53) + 1, epoch: String::new() });
        assert!(options.check().is_err());
    }

    #[test]
    fn no_secret_is_printed() {
        let login = Login::device("secret-key").refresh_token("secret-token");
        assert!(!format!("{:?}", Options::new("http://gateway", login)).contains("secret"));
    }
}
