//! Shapes by hash-consing: equal subtrees have one number.

use hashbrown::HashMap;
use resus_model::{Shape, ShapeNode};
use rustc_hash::FxBuildHasher;

/// Numbers subtrees: an operation with a set of child subtrees.
#[derive(Debug, Default)]
pub(crate) struct Shapes {
    index: HashMap<Box<[u32]>, u32, FxBuildHasher>,
    /// Each subtree: its operation, then its children, ascending, each once.
    list: Vec<Box<[u32]>>,
}

/// Stands for the operation of the invisible node above the roots of a request in pieces.
const FOREST: u32 = u32::MAX;

impl Shapes {
    /// The number of `key`: an operation followed by child subtrees in any order, repeats allowed.
    pub(crate) fn number(&mut self, key: &mut Vec<u32>) -> u32 {
        key[1..].sort_unstable();
        key.dedup_tail();
        if let Some(&found) = self.index.get(key.as_slice()) {
            return found;
        }
        let id = u32::try_from(self.list.len()).expect("fewer than 2^32 shapes fit in memory");
        let boxed: Box<[u32]> = key.as_slice().into();
        self.list.push(boxed.clone());
        self.index.insert(boxed, id);
        id
    }

    /// How many subtrees have a number.
    pub(crate) const fn len(&self) -> usize {
        self.list.len()
    }

    /// The number of a request with several roots.
    pub(crate) fn forest(&mut self, roots: &[u32], key: &mut Vec<u32>) -> u32 {
        if let [one] = roots {
            return *one;
        }
        key.clear();
        key.push(FOREST);
        key.extend_from_slice(roots);
        self.number(key)
    }

    /// A shape as the model keeps it; operations by this run's numbers, siblings not yet in the order
    /// of their texts.
    pub(crate) fn unfold(&self, id: u32) -> Shape {
        let mut nodes = Vec::new();
        let mut stack = vec![(id, 0_u32)];
        while let Some((id, depth)) = stack.pop() {
            let subtree = &self.list[id as usize];
            let below = if subtree[0] == FOREST {
                depth
            } else {
                nodes.push(ShapeNode { depth, operation: subtree[0] });
                depth + 1
            };
            stack.extend(subtree[1..].iter().map(|&child| (child, below)));
        }
        Shape(nodes.into())
    }
}

trait DedupTail {
    fn dedup_tail(&mut self);
}

impl DedupTail for Vec<u32> {
    /// Drops repeats after the first element, which may equal the second.
    fn dedup_tail(&mut self) {
        let mut kept = 1;
        for i in 1..self.len() {
            if i == 1 || self[i] != self[kept - 1] {
                self[kept] = self[i];
                kept += 1;
            }
        }
        self.truncate(kept);
    }
}

/// Sorts siblings of a shape, after its operations were renumbered in the order of their texts.
pub(crate) fn sort_siblings(shape: &Shape) -> Shape {
    let nodes = &shape.0;
    let sorted = nodes.windows(2).all(|w| w[1].depth > w[0].depth);
    if sorted {
        return shape.clone();
    }
    let mut out = Vec::with_capacity(nodes.len());
    sorted_forest(nodes, &mut out);
    Shape(out.into())
}

fn sorted_forest(nodes: &[ShapeNode], out: &mut Vec<ShapeNode>) {
    let Some(first) = nodes.first() else { return };
    let mut trees: Vec<Vec<ShapeNode>> = Vec::new();
    let mut from = 0;
    for i in 1..=nodes.len() {
        if i == nodes.len() || nodes[i].depth == first.depth {
            let mut tree = vec![nodes[from]];
            sorted_forest(&nodes[from + 1..i], &mut tree);
            trees.push(tree);
            from = i;
        }
    }
    trees.sort_unstable();
    trees.dedup();
    out.extend(trees.into_iter().flatten());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_siblings_collapse_and_order_does_not_matter() {
        let mut shapes = Shapes::default();
        let a = shapes.number(&mut vec![1]);
        let b = shapes.number(&mut vec![2]);
        let one = shapes.number(&mut vec![9, a, b, a]);
        let two = shapes.number(&mut vec![9, b, a]);
        assert_eq!(one, two);
        let shape = sort_siblings(&shapes.unfold(one));
        let flat: Vec<_> = shape.0.iter().map(|n| (n.depth, n.operation)).collect();
        assert_eq!(flat, [(0, 9), (1, 1), (1, 2)]);
    }

    #[test]
    fn an_operation_may_have_the_number_of_its_child() {
        let mut shapes = Shapes::default();
        let leaf = shapes.number(&mut vec![0]);
        let parent = shapes.number(&mut vec![0, leaf, leaf]);
        assert_eq!(shapes.unfold(parent).0.len(), 2);
    }

    #[test]
    fn a_forest_keeps_its_roots_apart() {
        let mut shapes = Shapes::default();
        let a = shapes.number(&mut vec![1]);
        let b = shapes.number(&mut vec![2, a]);
        let forest = shapes.forest(&[b, a], &mut Vec::new());
        let shape = sort_siblings(&shapes.unfold(forest));
        let flat: Vec<_> = shape.0.iter().map(|n| (n.depth, n.operation)).collect();
        assert_eq!(flat, [(0, 1), (0, 2), (1, 1)]);
    }
}
