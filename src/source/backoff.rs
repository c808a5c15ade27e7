//! How long to wait before the next attempt.

use std::time::Duration;

/// Doubles from a first delay up to a cap; what it gives is between half of that and all of it.
#[derive(Debug, Clone)]
pub(super) struct Backoff {
    first: Duration,
    cap: Duration,
    next: Duration,
}

impl Backoff {
    pub(super) fn new(first: Duration, cap: Duration) -> Backoff {
        Backoff { first, cap, next: first }
    }

    /// The next delay. Jitter keeps several boxes from knocking at one PBX together.
    pub(super) fn delay(&mut self) -> Duration {
        let share = getrandom::u32().map_or(1.0, |random| f64::from(random) / f64::from(u32::MAX));
        self.delay_with(share)
    }

    fn delay_with(&mut self, share: f64) -> Duration {
        let whole = self.next.min(self.cap);
        self.next = whole.saturating_mul(2).min(self.cap);
        whole.mul_f64(0.5 + 0.5 * share)
    }

    /// The link proved good: it carried data, or stood for as long as the cap.
    pub(super) fn proved(&mut self, received: u64, stood: Duration) {
        if received > 0 || stood >= self.cap {
            self.next = self.first;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_to_the_cap_and_starts_over_when_the_link_proved_good() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
        let delays: Vec<u128> = (0..8).map(|_| backoff.delay_with(1.0).as_millis()).collect();
        assert_eq!(delays, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        backoff.proved(0, Duration::from_millis(10));
        assert_eq!(backoff.delay_with(0.0), Duration::from_millis(2500));
        backoff.proved(1, Duration::ZERO);
        assert_eq!(backoff.delay_with(0.0), Duration::from_millis(50));
    }
}
