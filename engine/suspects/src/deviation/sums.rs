//! Sums of one window by item and entry operation, side by side for all windows.
//!
//! Everything is kept by entry operation, or a change of mix would look like a fault: a mean now is
//! only ever compared with the mean of the same entry before.

use super::item::Item;

/// Number, sum, and sum of squares of observations.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Sums {
    /// How many.
    pub n: f64,
    /// Their sum.
    pub sum: f64,
    /// The sum of their squares.
    pub squares: f64,
}

impl Sums {
    /// `count` of `n` observations are 1, the others 0.
    pub(crate) const fn of_count(n: f64, count: f64) -> Self {
        Self { n, sum: count, squares: count }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.n += other.n;
        self.sum += other.sum;
        self.squares += other.squares;
    }

    pub(crate) fn take(&mut self, other: Self) {
        self.n -= other.n;
        self.sum -= other.sum;
        self.squares -= other.squares;
    }

    /// Variance of one observation about the mean, at least 0.
    pub(crate) fn scatter(self) -> f64 {
        if self.n > 0.0 { (self.squares - self.sum * self.sum / self.n).max(0.0) } else { 0.0 }
    }
}

/// An item and an entry operation (an index into the aligned entries, or that many for none), in one
/// number that is ordered as they are: there are many to sort.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key(u128);

impl Key {
    pub(crate) const fn of(item: Item, entry: u32) -> Self {
        Self((item.packed() << 32) | entry as u128)
    }

    const fn same_item(self, other: Self) -> bool {
        self.0 >> 32 == other.0 >> 32
    }

    const fn item(self) -> Item {
        Item::unpacked(self.0 >> 32)
    }
}

/// Sums of one window: ascending, each key once, after [`settle`].
pub(crate) type Collected = Vec<(Key, Sums)>;

/// Sorts sums and adds up those of one key.
pub(crate) fn settle(collected: &mut Collected) {
    // Deterministic though not stable: the same list is always sorted in the same way.
    collected.sort_unstable_by_key(|&(key, _)| key);
    collected.dedup_by(|later, kept| {
        let same = later.0 == kept.0;
        if same {
            kept.1.add(later.1);
        }
        same
    });
}

/// All windows over one list of cells.
pub(crate) struct Table {
    /// Items, ascending, with the first of their cells; cells of an item lie together.
    pub items: Vec<(Item, usize)>,
    /// The window to be explained, a value a cell.
    pub now: Vec<Sums>,
    /// Healthy windows, each a value a cell.
    pub healthy: Vec<Vec<Sums>>,
}

impl Table {
    /// Lines windows up.
    pub(crate) fn of(now: &Collected, healthy: &[Collected]) -> Self {
        let all = now.iter().chain(healthy.iter().flatten());
        let mut keys: Vec<Key> = all.map(|&(key, _)| key).collect();
        // Windows are sorted already: a stable sort merges them.
        keys.sort();
        keys.dedup();
        let mut items: Vec<(Item, usize)> = Vec::new();
        for (at, key) in keys.iter().enumerate() {
            if at == 0 || !keys[at - 1].same_item(*key) {
                items.push((key.item(), at));
            }
        }
        let row = |window: &Collected| {
            let mut row = vec![Sums::default(); keys.len()];
            let mut at = 0;
            for (key, sums) in window {
                while keys[at] != *key {
                    at += 1;
                }
                row[at] = *sums;
            }
            row
        };
        Self { now: row(now), healthy: healthy.iter().map(row).collect(), items }
    }

    /// Cells of an item by its place in the list.
    pub(crate) fn cells(&self, item: usize) -> std::ops::Range<usize> {
        let end = self.items.get(item + 1).map_or(self.now.len(), |(_, first)| *first);
        self.items[item].1..end
    }
}
