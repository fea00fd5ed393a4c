//! Requests of equal layout are counted by one recipe: which row each of their spans goes to.
//!
//! Finding these rows means numbering subtrees, productions and edges, one lookup each a span. Most
//! requests have a layout that was seen before (the same operations at the same depths, in pre-order),
//! so it is looked up once a request instead.

use hashbrown::HashMap;
use resus_paths::Node;
use rustc_hash::FxBuildHasher;

/// Layouts kept. It is a cache: when it is full it starts anew, and nothing but time is lost.
const LAYOUTS: usize = 1 << 16;

/// Where the spans of a layout are counted.
#[derive(Debug, Clone)]
pub(crate) struct Recipe {
    /// The number of its shape.
    pub(crate) shape: u32,
    /// One a span, in pre-order.
    pub(crate) steps: Box<[Step]>,
}

/// The rows of one span.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    /// Its edge; `u32::MAX` for a true root, which nobody called.
    pub(crate) edge: u32,
    /// Its operation at this entry.
    pub(crate) pair: u32,
    /// Its production at this entry.
    pub(crate) production: u32,
}

/// Recipes by layout.
#[derive(Debug, Default)]
pub(crate) struct Recipes {
    index: HashMap<Box<[u32]>, u32, FxBuildHasher>,
    list: Vec<Recipe>,
    key: Vec<u32>,
}

impl Recipes {
    /// The recipe of a layout, if it is known. Otherwise hand one to [`Recipes::keep`].
    pub(crate) fn find(&mut self, entry: u32, nodes: &[Node]) -> Option<usize> {
        let Self { index, key, .. } = self;
        key.clear();
        key.push(entry);
        for node in nodes {
            // Depths stay far below 2^31: a trace that deep would not fit in memory.
            key.extend([node.operation.number(), node.depth << 1 | u32::from(node.orphan)]);
        }
        index.get(key.as_slice()).map(|&i| i as usize)
    }

    /// Keeps the recipe of the layout that was last looked for.
    pub(crate) fn keep(&mut self, recipe: Recipe) -> usize {
        if self.list.len() >= LAYOUTS {
            self.index.clear();
            self.list.clear();
        }
        let i = self.list.len();
        self.index.insert(
            self.key.as_slice().into(),
            u32::try_from(i).expect("the cache holds fewer than 2^32 layouts"),
        );
        self.list.push(recipe);
        i
    }

    /// A recipe by its place.
    pub(crate) fn get(&self, i: usize) -> &Recipe {
        &self.list[i]
    }
}
