//! The path grammar: which children an operation called, how often each.

use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;

/// Numbers productions: an operation with a multiset of child operations.
#[derive(Debug, Default)]
pub(crate) struct Productions {
    index: HashMap<Box<[u32]>, u32, FxBuildHasher>,
    /// Each production: its operation, then pairs of child operation and count, ascending.
    pub(crate) list: Vec<Box<[u32]>>,
    pairs: Vec<u32>,
}

impl Productions {
    /// The number of an operation with its child operations, sorted in place.
    pub(crate) fn number(&mut self, operation: u32, children: &mut [u32]) -> u32 {
        children.sort_unstable();
        self.pairs.clear();
        self.pairs.push(operation);
        for run in children.chunk_by(|a, b| a == b) {
            let n = u32::try_from(run.len()).unwrap_or(u32::MAX >> 1);
            self.pairs.extend([run[0], rounded(n)]);
        }
        if let Some(&found) = self.index.get(self.pairs.as_slice()) {
            return found;
        }
        let id = u32::try_from(self.list.len()).expect("fewer than 2^32 productions");
        let boxed: Box<[u32]> = self.pairs.as_slice().into();
        self.list.push(boxed.clone());
        self.index.insert(boxed, id);
        id
    }
}

/// Counts above 2 are rounded up to a power of two: a loop of 40 and one of 41 are one production.
const fn rounded(n: u32) -> u32 {
    if n <= 2 { n } else { n.next_power_of_two() }
}
