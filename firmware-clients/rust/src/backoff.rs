//! How long to wait before the next try (PROTOCOL section 7).

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(500);
const MOST: Duration = Duration::from_secs(20);
/// Keeps a wait from being none: a site whose gateway restarts would come back as one.
pub(crate) const LEAST: Duration = Duration::from_millis(1);
/// How long a connection has to be open for the next wait to be a first one again.
pub(crate) const STABLE_AFTER: Duration = Duration::from_secs(30);

/// Counts the tries since the last good connection.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    tries: u32,
}

impl Backoff {
    /// How long to wait before the next try: full jitter, evenly spread above 0 and up
    /// to a ceiling that doubles with each try.
    pub(crate) fn next(&mut self) -> Duration {
        let ceiling = MOST.min(FIRST * (1 << self.tries.min(10)));
        self.tries = self.tries.saturating_add(1);
        LEAST + spread(ceiling - LEAST)
    }

    /// The same when the gateway has said how long to wait. The try counts.
    pub(crate) fn told(&mut self, wait: Duration) -> Duration {
        self.tries = self.tries.saturating_add(1);
        wait.max(LEAST)
    }

    pub(crate) fn reset(&mut self) {
        self.tries = 0;
    }
}

/// A random duration from 0 up to and including `most`, in nanoseconds.
pub(crate) fn spread(most: Duration) -> Duration {
    let most = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX - 1);
    match getrandom::u64() {
        Ok(random) => Duration::from_nanos(random % (most + 1)),
        Err(_) => Duration::from_nanos(most), // no randomness: rather late than all at once
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_above_zero_and_below_the_ceiling() {
        for _ in 0..50 {
            let mut backoff = Backoff::default();
            for n in 0..40u32 {
                let ceiling = Duration::from_millis((500u64 << n.min(10)).min(20_000));
                let wait = backoff.next();
                assert!(wait > Duration::ZERO && wait <= ceiling, "wait {} is {:?}", n, wait);
            }
            backoff.reset();
            assert!(backoff.next() <= FIRST);
        }
    }

    #[test]
    fn waits_are_spread() {
        let mut above = 0;
        for _ in 0..400 {
            above += usize::from(Backoff::default().next() > FIRST / 2);
        }
        assert!((100..300).contains(&above), "{} of 400 waits are in the upper half", above);
    }

    #[test]
    fn what_the_gateway_says_goes() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.told(Duration::from_secs(90)), Duration::from_secs(90));
        assert_eq!(backoff.told(Duration::ZERO), LEAST);
        let most = (0..200).map(|_| Backoff { tries: 2 }.next()).max();
        assert!(most > Some(FIRST), "tries that were told to wait did not count");
    }
}
