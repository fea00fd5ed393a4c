//! What is measured of a component, and which component answers for it?

use resus_model::EvidenceKind;

use crate::align::Aligned;

/// One thing that is measured, by global numbers of operations and services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Item {
    /// Time that spans of an operation take themselves.
    SelfTime(u32),
    /// Time between a client span and its server span: (client operation, server operation).
    Gap(u32, u32),
    /// What the gaps to all callees of a service have in common.
    GapsOut(u32),
    /// Calls a span: (parent operation, child operation).
    Children(u32, u32),
    /// Spans of an operation with a set of children that other healthy windows do not show.
    NewChildren(u32),
    /// The same of all operations of a service together: a fault may hit each of many a little.
    NewInService(u32),
    /// Spans of an operation with error events.
    ErrorEvents(u32),
    /// Spans of an operation that failed by themselves.
    Origins(u32),
    /// Spans of an operation that failed, whatever the reason: accounts for calls that were not made,
    /// and is no evidence by itself.
    Failing(u32),
}

/// Items of one family are held against what that family shows in healthy windows.
pub(crate) const FAMILIES: usize = 5;

/// The family that is not evidence.
pub(crate) const HELPERS: usize = 4;

/// Kinds of items, each with a spread of its own.
pub(crate) const SORTS: usize = 9;

impl Item {
    /// A number that is ordered as items are, below 2^96.
    pub(crate) const fn packed(self) -> u128 {
        let (a, b) = match self {
            Self::Gap(a, b) | Self::Children(a, b) => (a, b),
            Self::SelfTime(a)
            | Self::GapsOut(a)
            | Self::NewChildren(a)
            | Self::NewInService(a)
            | Self::ErrorEvents(a)
            | Self::Origins(a)
            | Self::Failing(a) => (a, 0),
        };
        ((self.sort() as u128) << 64) | ((a as u128) << 32) | b as u128
    }

    /// The item of a number that [`Item::packed`] made.
    #[expect(clippy::cast_possible_truncation, reason = "each part is cut out of its 32 bits")]
    pub(crate) const fn unpacked(packed: u128) -> Self {
        let (a, b) = ((packed >> 32) as u32, packed as u32);
        match packed >> 64 {
            0 => Self::SelfTime(a),
            1 => Self::Gap(a, b),
            2 => Self::GapsOut(a),
            3 => Self::Children(a, b),
            4 => Self::NewChildren(a),
            5 => Self::NewInService(a),
            6 => Self::ErrorEvents(a),
            7 => Self::Origins(a),
            _ => Self::Failing(a),
        }
    }

    /// The number of its sort, below [`SORTS`]; ascending as items are.
    pub(crate) const fn sort(self) -> usize {
        match self {
            Self::SelfTime(_) => 0,
            Self::Gap(..) => 1,
            Self::GapsOut(_) => 2,
            Self::Children(..) => 3,
            Self::NewChildren(_) => 4,
            Self::NewInService(_) => 5,
            Self::ErrorEvents(_) => 6,
            Self::Origins(_) => 7,
            Self::Failing(_) => 8,
        }
    }

    /// The kind of evidence that it is.
    pub(crate) const fn kind(self) -> EvidenceKind {
        match self {
            Self::SelfTime(_) => EvidenceKind::SelfTime,
            Self::Gap(..) | Self::GapsOut(_) => EvidenceKind::Gap,
            Self::Children(..) => EvidenceKind::Calls,
            Self::NewChildren(_) | Self::NewInService(_) => EvidenceKind::Children,
            Self::ErrorEvents(_) => EvidenceKind::ErrorEvents,
            Self::Origins(_) | Self::Failing(_) => EvidenceKind::Origin,
        }
    }

    /// The number of its family, below [`FAMILIES`].
    pub(crate) const fn family(self) -> usize {
        match self {
            Self::SelfTime(_) | Self::Gap(..) | Self::GapsOut(_) => 0,
            Self::Children(..) | Self::NewChildren(_) | Self::NewInService(_) => 1,
            Self::ErrorEvents(_) => 2,
            Self::Origins(_) => 3,
            Self::Failing(_) => HELPERS,
        }
    }

    /// True where whole numbers are counted, not times summed.
    pub(crate) const fn is_count(self) -> bool {
        self.family() != 0
    }

    /// True when fewer is as odd as more.
    pub(crate) const fn two_sided(self) -> bool {
        matches!(self, Self::Children(..))
    }

    /// The least standard deviation between healthy windows that is believed: of `ln` of a time, of
    /// calls a span, of a share. Less is a matter of luck in few windows.
    pub(crate) const fn least_spread(self) -> f64 {
        match self {
            Self::SelfTime(_) | Self::Gap(..) | Self::GapsOut(_) => 0.02,
            _ => 0.01,
        }
    }

    /// The least variance of one observation: exactly equal ones are too good to be true.
    pub(crate) const fn least_variance(self) -> f64 {
        match self {
            Self::SelfTime(_) | Self::Gap(..) | Self::GapsOut(_) => 0.0025,
            _ => 0.0,
        }
    }

    /// What it is about, for people.
    pub(crate) fn subject(self, aligned: &Aligned<'_>) -> String {
        let operation = |o: u32| aligned.operation(o).to_string();
        match self {
            Self::SelfTime(o)
            | Self::ErrorEvents(o)
            | Self::Origins(o)
            | Self::Failing(o)
            | Self::NewChildren(o) => operation(o),
            Self::Gap(caller, callee) => format!("{} → {}", operation(caller), operation(callee)),
            Self::Children(parent, child) => {
                format!("{} → {}", operation(parent), operation(child))
            }
            Self::GapsOut(service) => format!("{} → all its callees", aligned.service(service)),
            Self::NewInService(service) => format!("{}, all operations", aligned.service(service)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_items_are_ordered_as_items_are_and_come_back() {
        let mut items: Vec<Item> = [0, 1, 7, u32::MAX]
            .into_iter()
            .flat_map(|a| {
                [
                    Item::SelfTime(a),
                    Item::Gap(a, 3),
                    Item::Gap(3, a),
                    Item::GapsOut(a),
                    Item::Children(a, 3),
                    Item::Children(3, a),
                    Item::NewChildren(a),
                    Item::NewInService(a),
                    Item::ErrorEvents(a),
                    Item::Origins(a),
                    Item::Failing(a),
                ]
            })
            .collect();
        items.sort_unstable();
        assert!(items.is_sorted_by_key(|item| item.packed()));
        for item in items {
            assert_eq!(Item::unpacked(item.packed()), item);
        }
    }
}
