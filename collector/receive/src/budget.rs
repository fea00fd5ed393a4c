//! One budget for the memory of all bodies under way.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that may be held at a time, and those that are.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: usize,
    used: AtomicUsize,
}

/// The budget has no room for what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exhausted;

impl Budget {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, used: AtomicUsize::new(0) })
    }

    /// Bytes held at the moment.
    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// A permit that holds nothing yet.
    pub(crate) fn permit(self: &Arc<Self>) -> Permit {
        Permit { budget: Arc::clone(self), held: 0 }
    }

    fn take(&self, more: usize) -> Result<(), Exhausted> {
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(more).filter(|&sum| sum <= self.limit)
            })
            .map(drop)
            .map_err(|_| Exhausted)
    }
}

/// A share of the memory for bodies; goes back when dropped.
pub struct Permit {
    budget: Arc<Budget>,
    held: usize,
}

impl Permit {
    /// Bytes held.
    #[must_use]
    pub const fn held(&self) -> usize {
        self.held
    }

    /// Holds at least `total` bytes from now on, or as many as before.
    pub(crate) fn cover(&mut self, total: usize) -> Result<(), Exhausted> {
        let more = total.saturating_sub(self.held);
        if more > 0 {
            self.budget.take(more)?;
            self.held += more;
        }
        Ok(())
    }

    /// Gives back what exceeds `total` bytes.
    pub(crate) fn shrink(&mut self, total: usize) {
        let less = self.held.saturating_sub(total);
        self.budget.used.fetch_sub(less, Ordering::Relaxed);
        self.held -= less;
    }

    /// Says whether `total` bytes would find room now.
    pub(crate) fn could_cover(&self, total: usize) -> bool {
        let free = self.budget.limit.saturating_sub(self.budget.used());
        total.saturating_sub(self.held) <= free
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.shrink(0);
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("held", &self.held).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_budget_is_the_sum_of_its_permits_and_never_over_its_limit(
            limit in 0usize..1000,
            steps in prop::collection::vec((0usize..4, 0usize..3, 0usize..600), 0..60),
        ) {
            let budget = Budget::new(limit);
            let mut permits: Vec<Permit> = (0..4).map(|_| budget.permit()).collect();
            for (which, what, size) in steps {
                let before = permits[which].held();
                match what {
                    0 => {
                        let fits = permits[which].could_cover(size);
                        let covered = permits[which].cover(size).is_ok();
                        prop_assert_eq!(fits, covered);
                        prop_assert_eq!(permits[which].held(), if covered { before.max(size) } else { before });
                    }
                    1 => permits[which].shrink(size),
                    _ => permits[which] = budget.permit(),
                }
                prop_assert_eq!(budget.used(), permits.iter().map(Permit::held).sum::<usize>());
                prop_assert!(budget.used() <= limit);
            }
            drop(permits);
            prop_assert_eq!(budget.used(), 0);
        }
    }
}
