//! How a connection gets a fresh token in the place of the one that ends (PROTOCOL sections
//! 4 and 7).

use crate::{
    backoff::{spread, Backoff, LEAST},
    error::Error,
    http::Exchange,
    link::Link,
    reconnect::{Halt, REQUEST},
    token::Ask,
};
use std::time::{Duration, Instant};

/// Where a connection stands with that.
pub(crate) enum Renewal {
    Idle,
    Waiting {
        until: Instant,
    },
    Asking {
        ask: Ask,
        began: Instant,
        exchange: Box<Exchange>,
    },
    /// There is a token that the gateway has not taken yet.
    Ready {
        token: String,
        sent: bool,
    },
}

impl Renewal {
    /// When to go on at the latest.
    pub(crate) fn due(&self) -> Option<Instant> {
        match self {
            Renewal::Waiting { until } => Some(*until),
            Renewal::Asking { exchange, .. } => Some(exchange.due()),
            _ => None,
        }
    }

    /// The token to send now; it counts as sent.
    pub(crate) fn take_unsent(&mut self) -> Option<&str> {
        match self {
            Renewal::Ready { token, sent } if !*sent => {
                *sent = true;
                Some(token)
            }
            _ => None,
        }
    }

    pub(crate) fn send_again(&mut self) {
        if let Renewal::Ready { sent, .. } = self {
            *sent = false;
        }
    }
}

impl Link<'_> {
    /// Begins, when the gateway says that the token ends. The wait is random, since whoever
    /// connected at the same time is warned at the same time; and never none, since a token
    /// that lives less than a minute is always about to end.
    pub(crate) fn expiring(&mut self, left: Duration) {
        if matches!(self.renewal, Renewal::Idle) {
            self.tries = Backoff::default();
            let wait = LEAST + spread(left.min(Duration::from_secs(3600)) / 2);
            self.renewal = Renewal::Waiting { until: Instant::now() + wait };
        }
    }

    /// The gateway took the fresh token.
    pub(crate) fn authenticated(&mut self) {
        match std::mem::replace(&mut self.renewal, Renewal::Idle) {
            Renewal::Ready { token, .. } => {
                self.token = token;
                self.worker.tokens.taken();
            }
            other => self.renewal = other, // it was sent twice
        }
    }

    /// Goes on as far as it can without waiting.
    pub(crate) fn renew_step(&mut self) -> Result<(), Halt> {
        match &mut self.renewal {
            Renewal::Waiting { until } if *until <= Instant::now() => self.renew_begin()?,
            _ => {}
        }
        while let Renewal::Asking { ask, began, exchange } = &mut self.renewal {
            let worker = &mut *self.worker;
            let outcome = match exchange.step(worker.poll.registry()) {
                Ok(None) => return Ok(()),
                Ok(Some(answer)) => worker.answered(ask, *began, &answer),
                Err(err) => Err(err),
            };
            match outcome {
                Ok(true) => self.renewal = Renewal::Ready { token: self.worker.tokens.access.clone(), sent: false },
                Ok(false) => self.renew_begin()?,
                Err(err) => self.renew_later(err)?,
            }
        }
        Ok(())
    }

    fn renew_begin(&mut self) -> Result<(), Halt> {
        let worker = &mut *self.worker;
        if !worker.tokens.access.is_empty() && worker.tokens.access != self.token {
            self.renewal = Renewal::Ready { token: worker.tokens.access.clone(), sent: false };
            return Ok(());
        }
        let ask = worker.tokens.ask()?;
        let out = worker.opener.request("POST", ask.path, "Connection: close\r\n", &ask.body);
        // The addresses are those of the connection: a resolver could block it.
        let exchange = Exchange::new(&worker.opener, worker.addresses.clone(), REQUEST, out, worker.timeout);
        self.renewal = Renewal::Asking { ask, began: Instant::now(), exchange: Box::new(exchange) };
        Ok(())
    }

    fn renew_later(&mut self, err: Error) -> Result<(), Halt> {
        let told = match &err {
            Error::LoginNeeded(_) => return Err(err.into()),
            Error::Refused(refusal) => refusal.retry_after,
            _ => None,
        };
        let wait = match told {
            Some(told) => self.tries.told(told + spread(Duration::from_secs(1))),
            None => self.tries.next(),
        };
        self.renewal = Renewal::Waiting { until: Instant::now() + wait };
        Ok(())
    }
}
