//! How long to wait between two tries.

use std::time::Duration;

/// The most that the first wait can be.
pub const BASE: Duration = Duration::from_secs(30);
/// The most that any wait can be.
pub const CAP: Duration = Duration::from_secs(30 * 60);
/// Tries in one night, the first included. After that the fixed windows of the day are left.
pub const TRIES_A_NIGHT: u32 = 12;

/// How long to wait after the `attempt`th failed try (from 1): uniformly between nothing and [`BASE`] doubled with each
/// further try, at most [`CAP`]. `random` is 64 random bits; full jitter keeps a thousand boxes that lost the same
/// server from coming back as one.
pub fn backoff(attempt: u32, random: u64) -> Duration {
    let most = BASE.saturating_mul(1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX)).min(CAP);
    let share = (most.as_millis() * u128::from(random)) >> 64;
    Duration::from_millis(u64::try_from(share).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_range_doubles_up_to_the_cap() {
        let most: Vec<u64> = (0..=9).map(|attempt| backoff(attempt, u64::MAX).as_millis() as u64).collect();
        let doubled = [30_000, 30_000, 60_000, 120_000, 240_000, 480_000, 960_000, 1_800_000, 1_800_000, 1_800_000];
        assert_eq!(most, doubled.map(|most| most - 1));
        assert_eq!(backoff(u32::MAX, 0), Duration::ZERO);
        assert_eq!(backoff(2, 1 << 63), Duration::from_secs(30));
    }

    proptest! {
        #[test]
        fn no_wait_is_longer_than_the_cap(attempt: u32, random: u64) {
            prop_assert!(backoff(attempt, random) <= CAP);
        }

        #[test]
        fn more_random_bits_never_mean_a_shorter_wait(attempt in 0_u32..40, one: u64, other: u64) {
            prop_assert!(backoff(attempt, one.min(other)) <= backoff(attempt, one.max(other)));
        }
    }
}
