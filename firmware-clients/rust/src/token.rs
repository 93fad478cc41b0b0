//! The client's session (PROTOCOL section 9).

use crate::{
    error::{Error, Refusal},
    http::Answer,
    options::Login,
};
use serde::Deserialize;
use serde_json::json;
use std::time::{Duration, Instant};

/// How much of its life a token has to have left to be connected with.
pub(crate) const RENEW_BEFORE: Duration = Duration::from_secs(10);

/// What every login answers.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Pair {
    access_token: String,
    expires_in: u64,
    refresh_token: Option<String>,
}

/// A request for tokens.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    pub path: &'static str,
    pub body: String,
    /// The refresh token that it spends; none for a login.
    spends: Option<String>,
}

pub(crate) struct Tokens {
    login: Login,
    pub access: String,
    /// When `access` ends.
    until: Instant,
    refresh: Option<String>,
    /// The gateway did not take the newest access token.
    refused: bool,
    /// Why the session ended.
    over: Option<Box<Refusal>>,
}

impl Tokens {
    pub(crate) fn new(mut login: Login) -> Tokens {
        let refresh = login.refresh_token.take();
        Tokens { login, access: String::new(), until: Instant::now(), refresh, refused: false, over: None }
    }

    /// The access token, if it lives for `RENEW_BEFORE` at least.
    pub(crate) fn good(&self) -> Option<String> {
        let left = self.until.saturating_duration_since(Instant::now());
        Some(self.access.clone()).filter(|access| !access.is_empty() && left >= RENEW_BEFORE)
    }

    /// When the access token ends.
    pub(crate) fn until(&self) -> Instant {
        self.until
    }

    /// What to ask the gateway: to go on with the session if there is one, and else to
    /// begin one.
    pub(crate) fn ask(&self) -> Result<Ask, Error> {
        if let Some(token) = &self.refresh {
            let body = json!({ "refresh_token": token }).to_string();
            return Ok(Ask { path: "/auth/refresh", body, spends: Some(token.clone()) });
        }
        let (path, body) = match (&self.login.device_key, &self.login.password) {
            (Some(key), _) => ("/auth/device", json!({ "device_key": key })),
            (None, Some((name, password))) => ("/auth/login", json!({ "username": name, "password": password })),
            (None, None) => return Err(Error::LoginNeeded(self.over.clone())),
        };
        Ok(Ask { path, body: body.to_string(), spends: None })
    }

    /// Deals with the answer to what was asked at `began`. False: there is no session any
    /// more, ask again. A refresh whose answer is lost leaves the refresh token as it is:
    /// the gateway gives the same successor again.
    pub(crate) fn answered(&mut self, ask: &Ask, began: Instant, answer: &Answer) -> Result<bool, Error> {
        if answer.status == 200 {
            return self.take(began, answer).map(|_| true);
        }
        let refusal = answer.refusal();
        // Being told to wait, or that the gateway is broken, is no refusal of what it was
        // given.
        if !(400..500).contains(&refusal.status) || refusal.temporary() {
            return Err(Error::Refused(refusal));
        }
        if ask.spends.is_none() {
            return Err(Error::LoginNeeded(Some(refusal)));
        }
        self.ended();
        self.over = Some(refusal);
        Ok(false)
    }

    fn take(&mut self, began: Instant, answer: &Answer) -> Result<(), Error> {
        let bad = |_| Error::Illegal("the answer to a login is no JSON object".into());
        let pair: Pair = serde_json::from_slice(&answer.body).map_err(bad)?;
        // It goes into a header.
        if pair.access_token.is_empty() || !pair.access_token.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Error::Illegal("the answer to a login holds no token".into()));
        }
        // Counted from before the question: the answer may have been long on its way.
        self.until = began + Duration::from_secs(pair.expires_in.min(10 * 365 * 86400));
        self.access = pair.access_token;
        self.refresh = pair.refresh_token.filter(|token| !token.is_empty());
        self.over = None;
        if let (Some(save), Some(token)) = (&mut self.login.save, &self.refresh) {
            save(token);
        }
        Ok(())
    }

    /// The gateway has ended the session.
    pub(crate) fn ended(&mut self) {
        self.access.clear();
        self.refresh = None;
    }

    /// The next connection begins with a new access token.
    pub(crate) fn expire(&mut self) {
        self.access.clear();
    }

    /// The gateway did not take an access token. When that happens to two in a row and not
    /// for their age, refreshing does not help: the session goes, too.
    pub(crate) fn not_taken(&mut self, access: &str, code: &str) {
        if access != self.access {
            return;
        }
        self.access.clear();
        if code == "token_expired" {
            return;
        }
        if self.refused {
            self.refresh = None;
        }
        self.refused = true;
    }

    /// The gateway takes the session's tokens.
    pub(crate) fn taken(&mut self) {
        self.refused = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, body: body.into(), ..Answer::default() }
    }

    fn pair(n: u32) -> Answer {
        answer(200, &format!(r#"{{"access_token":"a{}","expires_in":900,"refresh_token":"r{}"}}"#, n, n))
    }

    fn obtain(tokens: &mut Tokens, path: &str, with: &Answer) -> Result<bool, Error> {
        let ask = tokens.ask()?;
        assert_eq!(ask.path, path);
        tokens.answered(&ask, Instant::now(), with)
    }

    #[test]
    fn a_session() {
        let saved = Arc::new(Mutex::new(Vec::new()));
        let keep = saved.clone();
        let mut tokens = Tokens::new(Login::device("k").save(move |token| keep.lock().unwrap().push(token.to_owned())));
        assert!(tokens.good().is_none());
        assert!(obtain(&mut tokens, "/auth/device", &pair(1)).unwrap());
        assert_eq!(tokens.good().as_deref(), Some("a1"));
        tokens.expire();
        let broken = obtain(&mut tokens, "/auth/refresh", &answer(503, ""));
        assert!(matches!(broken, Err(Error::Refused(_))), "a broken gateway ended the session");
        assert!(obtain(&mut tokens, "/auth/refresh", &pair(2)).unwrap());
        assert_eq!(*saved.lock().unwrap(), ["r1", "r2"]);
    }

    #[test]
    fn the_end_of_a_session() {
        let reused = answer(401, r#"{"code":"token_reused"}"#);
        let mut tokens = Tokens::new(Login::password("ada", "secret").refresh_token("old"));
        assert!(!obtain(&mut tokens, "/auth/refresh", &reused).unwrap());
        let wrong = obtain(&mut tokens, "/auth/login", &answer(401, r#"{"code":"invalid_credentials"}"#));
        assert!(matches!(wrong, Err(Error::LoginNeeded(Some(_)))));
        let mut tokens = Tokens::new(Login::session("old"));
        assert!(!obtain(&mut tokens, "/auth/refresh", &reused).unwrap());
        assert!(matches!(tokens.ask(), Err(Error::LoginNeeded(Some(_)))));
    }

    #[test]
    fn tokens_that_are_not_taken() {
        let mut tokens = Tokens::new(Login::device("k"));
        obtain(&mut tokens, "/auth/device", &pair(1)).unwrap();
        tokens.not_taken("another", "invalid_token");
        assert!(tokens.good().is_some());
        tokens.not_taken("a1", "invalid_token");
        obtain(&mut tokens, "/auth/refresh", &pair(2)).unwrap();
        tokens.not_taken("a2", "token_expired");
        obtain(&mut tokens, "/auth/refresh", &pair(3)).unwrap();
        tokens.not_taken("a3", "invalid_token");
        obtain(&mut tokens, "/auth/device", &pair(4)).unwrap();
    }

    #[test]
    fn what_is_no_pair() {
        for body in ["", "[]", "{}", r#"{"access_token":"a\r\nb","expires_in":1}"#] {
            let mut tokens = Tokens::new(Login::device("k"));
            assert!(obtain(&mut tokens, "/auth/device", &answer(200, body)).is_err(), "{}", body);
            assert!(tokens.good().is_none());
        }
    }
}
