//! Which of several keys of one role is the best so far.

use resus_model::attributes::{Key, Role};

/// What has been read of a role so far: the rank of its key, so that a better key wins whatever
/// the order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ranks([u8; Role::COUNT]);

impl Default for Ranks {
    fn default() -> Self {
        Self::NONE
    }
}

impl Ranks {
    pub(crate) const NONE: Self = Self([u8::MAX; Role::COUNT]);

    /// True when nothing as good has been read. Of two equal keys the first stays.
    pub(crate) const fn beaten_by(self, key: Key) -> bool {
        key.rank < self.0[key.role.index()]
    }

    pub(crate) const fn set(&mut self, key: Key) {
        self.0[key.role.index()] = key.rank;
    }
}
