//! Where in a JSON document the decoder stands, for messages.

use std::fmt;

/// One step down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Key(&'static str),
    Index(u32),
}

/// The way from the top to where the decoder stands, as far as keys are known. After a failure it
/// is left as it was, so that it names the field that was wrong.
#[derive(Debug, Clone, Default)]
pub(super) struct Path(Vec<Step>);

impl Path {
    pub(super) fn push(&mut self, step: Step) {
        self.0.push(step);
    }

    pub(super) fn pop(&mut self) {
        self.0.pop();
    }

    /// Goes on to the next element of the innermost list.
    pub(super) fn advance(&mut self) {
        if let Some(Step::Index(i)) = self.0.last_mut() {
            *i = i.saturating_add(1);
        }
    }

    /// The path of a key below this one, as text.
    pub(super) fn below(&self, key: &str) -> String {
        if self.0.is_empty() { key.to_owned() } else { format!("{self}.{key}") }
    }
}

impl fmt::Display for Path {
    /// Writes `resourceSpans[3].scopeSpans[0].spans[7].startTimeUnixNano`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(name) if i == 0 => f.write_str(name)?,
                Step::Key(name) => write!(f, ".{name}")?,
                Step::Index(n) => write!(f, "[{n}]")?,
            }
        }
        Ok(())
    }
}
