//! How is an analysis shown? To programs as JSON, in a terminal as text, in a browser as one page.
//!
//! All three say the same of one [`Analysis`]; [`sentence`] holds the words that they share. Texts
//! from traces are never trusted here: they are escaped, shortened and stripped of control
//! characters on their way out.

mod cards;
mod dendrogram;
mod evidence;
mod figures;
mod findings;
mod html;
mod json;
mod method;
mod pair;
mod quality;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod samples_plan;
mod sentence;
mod steps;
mod svg;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod tree;
mod waterfall;
mod wire;

use resus_model::{Diagnosis, Quality};
use resus_plan::{Proposal, RestartTree};

pub(crate) use figures::instant;
pub(crate) use html::html;
pub(crate) use json::{json, quality, schema, value};
pub(crate) use sentence::why;
pub(crate) use table::{Colour, table};
pub(crate) use text::{clean_lines, shorten};
pub(crate) use wire::Quality as QualityJson;

/// Everything there is to show.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Analysis<'a> {
    /// The answer and its proof.
    pub(crate) diagnosis: &'a Diagnosis,
    /// How good the data was.
    pub(crate) quality: &'a Quality,
    /// The operator's restart tree, where there is one.
    pub(crate) tree: Option<&'a RestartTree>,
    /// What to do; `None` where there is no tree to plan with.
    pub(crate) proposal: Option<&'a Proposal>,
    /// What else a reader must know.
    pub(crate) meta: Meta<'a>,
}

/// Where an analysis comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Meta<'a> {
    /// The program's version, as in `0.1.0`.
    pub(crate) version: &'a str,
    /// How the windows were chosen, in a sentence.
    pub(crate) windows: &'a str,
}
