//! Deadlines by tick: a hashed timing wheel (Varghese and Lauck, SOSP 1987).
//!
//! A deadline costs no more than an entry in a list, and what is due is found without a search. A
//! trace is looked at up to a tick after its deadline, never before; one whose deadline lies beyond
//! the wheel's turn is looked at once a turn.

/// Lists, one a tick.
pub(super) const TICKS: u16 = 1024;

/// Which list holds which tick.
#[derive(Debug)]
pub(super) struct Wheel {
    /// Length of a tick, as a power of two, in nanoseconds.
    shift: u32,
    /// The last tick that has passed.
    passed: u64,
}

impl Wheel {
    /// One whose turn is at least twice as long as a span of time.
    pub(super) fn reaching(span_ns: u64) -> Self {
        let ticks = span_ns.saturating_mul(2) / u64::from(TICKS);
        Self { shift: u64::BITS - ticks.leading_zeros(), passed: 0 }
    }

    /// Moves on to a time while nothing waits.
    pub(super) fn skip_to(&mut self, now: u64) {
        self.passed = self.passed.max(now >> self.shift);
    }

    /// The list of a deadline.
    pub(super) fn list_of(&self, due_ns: u64) -> u16 {
        let whole = due_ns >> self.shift;
        let tick = if whole << self.shift == due_ns { whole } else { whole + 1 };
        list(tick.clamp(self.passed + 1, self.passed + u64::from(TICKS) - 1))
    }

    /// Passes all ticks up to a time: their lists, earliest first.
    pub(super) fn pass(&mut self, now: u64) -> impl Iterator<Item = u16> + use<> {
        let from = self.passed;
        self.skip_to(now);
        let passed = (self.passed - from).min(u64::from(TICKS));
        (from + 1..=from + passed).map(list)
    }

    /// All lists, earliest first, with the time at which their tick has passed.
    pub(super) fn all(&self) -> impl Iterator<Item = (u16, u64)> + use<> {
        let (from, shift) = (self.passed + 1, self.shift);
        (from..from + u64::from(TICKS)).map(move |tick| (list(tick), tick << shift))
    }

    /// When the tick of a deadline has passed.
    pub(super) const fn round_up(&self, due_ns: u64) -> u64 {
        let mask = (1 << self.shift) - 1;
        due_ns.saturating_add(mask) & !mask
    }
}

#[expect(clippy::cast_possible_truncation, reason = "taken modulo a small number")]
const fn list(tick: u64) -> u16 {
    (tick % TICKS as u64) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_passes_with_its_tick_and_not_before() {
        let mut wheel = Wheel::reaching(5_000_000_000);
        let tick = 1 << wheel.shift;
        assert!(tick > 5_000_000 && tick < 20_000_000, "{tick}");
        let start = 1_000 * tick;
        wheel.skip_to(start);
        let due = wheel.list_of(start + tick + 1);
        assert!(!wheel.pass(start + tick + 1).any(|l| l == due));
        assert!(wheel.pass(start + 2 * tick).any(|l| l == due));
        assert_eq!(wheel.round_up(start + tick + 1), start + 2 * tick);
        assert_eq!(wheel.round_up(start + tick), start + tick);
    }

    #[test]
    fn deadlines_beyond_the_turn_and_in_the_past_have_a_list_too() {
        let mut wheel = Wheel::reaching(10);
        wheel.skip_to(5_000);
        assert_eq!(wheel.list_of(3), wheel.list_of(5_001));
        let far = wheel.list_of(u64::MAX / 2);
        let lists: Vec<u16> = wheel.pass(u64::MAX / 2).collect();
        assert_eq!(lists.len(), usize::from(TICKS), "each list once");
        assert!(lists.contains(&far));
    }
}
