//! Which window does a request belong to?

use resus_model::{Role, Window};

/// The windows into which requests are counted: disjoint, ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Windows(Vec<(Window, Role)>);

/// Two windows share an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("windows {0} and {1} overlap: a request would count twice; make them disjoint")]
pub struct OverlapError(pub Window, pub Window);

impl Windows {
    /// Takes windows in any order.
    ///
    /// # Errors
    /// When two of them overlap.
    pub fn new(mut windows: Vec<(Window, Role)>) -> Result<Self, OverlapError> {
        windows.sort_unstable();
        for pair in windows.windows(2) {
            if pair[1].0.from < pair[0].0.to {
                return Err(OverlapError(pair[0].0, pair[1].0));
            }
        }
        Ok(Self(windows))
    }

    /// Panes of equal length on the grid of the epoch, as many as the range touches.
    ///
    /// # Panics
    /// When the length is 0.
    #[must_use]
    pub fn panes(range: Window, pane_ns: u64) -> Self {
        let first = range.from / pane_ns;
        let last = range.to / pane_ns;
        Self((first..=last).map(|i| (pane(i, pane_ns), Role::Pane)).collect())
    }

    /// The windows, ascending.
    #[must_use]
    pub fn list(&self) -> &[(Window, Role)] {
        &self.0
    }

    /// The index of the window that holds an instant.
    #[must_use]
    pub fn find(&self, unix_nano: u64) -> Option<usize> {
        let after = self.0.partition_point(|(w, _)| w.from <= unix_nano);
        let i = after.checked_sub(1)?;
        self.0[i].0.contains(unix_nano).then_some(i)
    }
}

/// A pane of the grid of the epoch, by its number.
pub(crate) const fn pane(number: u64, pane_ns: u64) -> Window {
    let from = number.saturating_mul(pane_ns);
    Window { from, to: from.saturating_add(pane_ns) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_found_by_their_half_open_bounds() {
        let w = |from, to| (Window { from, to }, Role::Baseline);
        let windows = Windows::new(vec![w(20, 30), w(0, 10), w(10, 12)]).expect("disjoint");
        let found: Vec<_> = [0, 9, 10, 12, 19, 20, 29, 30].map(|t| windows.find(t)).into();
        let expect = [Some(0), Some(0), Some(1), None, None, Some(2), Some(2), None];
        assert_eq!(found, expect);
        assert!(Windows::new(vec![w(0, 10), w(9, 12)]).is_err());
        assert_eq!(Windows::panes(Window { from: 25, to: 41 }, 10).list().len(), 3);
        let last = Windows::panes(Window { from: u64::MAX, to: u64::MAX }, 10);
        assert_eq!(last.list()[0].0.to, u64::MAX);
    }
}
