//! Options of a bench as they are typed: `--name value`, in any order.

use anyhow::{Context, Result, bail};

/// Pairs of name and value.
#[derive(Debug)]
pub(crate) struct Pairs<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Pairs<'a> {
    /// Reads them; each name must be one of `known`.
    pub(crate) fn parse(words: &[&'a str], known: &[&str]) -> Result<Self> {
        let mut pairs = Vec::new();
        for pair in words.chunks(2) {
            match *pair {
                [name, value] if known.contains(&name) => pairs.push((name, value)),
                _ => bail!("found {}, expected options of {}", pair.join(" "), known.join(", ")),
            }
        }
        Ok(Self(pairs))
    }

    /// The value of a name, the last one given.
    pub(crate) fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().rev().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    /// The number of a name.
    pub(crate) fn number(&self, name: &str, standard: u64) -> Result<u64> {
        self.get(name).map_or(Ok(standard), |text| {
            text.parse().with_context(|| format!("found {name} {text}, expected a number"))
        })
    }
}
