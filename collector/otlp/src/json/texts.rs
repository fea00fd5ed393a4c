//! Where the JSON decoder writes what is kept of a span beside what the rules ask for.

use crate::Keep;
use crate::json_text::{JsonText, Open};
use crate::tally::Tally;

/// Whose attributes are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    Resource,
    Span,
    Event,
    /// A log record, of which only keys matter.
    Log,
    /// A data point of a metric.
    Point,
}

/// How many owners there are.
const OWNERS: usize = 5;

/// Attributes of the resource, the span and the event that are being read, and the events of the span.
#[derive(Debug)]
pub(super) struct Texts {
    pub(super) keep: Keep,
    attributes: [JsonText; OWNERS],
    opens: [Open; OWNERS],
    /// Maps that are open in the value being read, the outermost first.
    pub(super) inner: Vec<Open>,
    pub(super) events: JsonText,
}

impl Texts {
    pub(super) fn new(keep: Keep) -> Self {
        Self {
            keep,
            attributes: Default::default(),
            opens: Default::default(),
            inner: Vec::new(),
            events: JsonText::default(),
        }
    }

    /// True when an owner's attributes are written: what a point says is always asked for whole.
    pub(super) fn writes(&self, owner: Owner) -> bool {
        owner == Owner::Point || (self.keep == Keep::Everything && owner != Owner::Log)
    }

    /// The text in which an owner's attributes are written, and the object that an entry belongs to
    /// whose value has `depth` lists and maps around it.
    pub(super) fn of(&mut self, owner: Owner, depth: u32) -> (&mut JsonText, &mut Open) {
        let index = owner as usize;
        let top = &mut self.opens[index];
        let open = if depth == 0 { top } else { self.inner.last_mut().unwrap_or(top) };
        (&mut self.attributes[index], open)
    }

    /// Begins the attributes of an owner anew.
    pub(super) fn begin(&mut self, owner: Owner) {
        if self.writes(owner) {
            let json = &mut self.attributes[owner as usize];
            json.clear();
            self.opens[owner as usize] = json.open();
        }
    }

    /// Ends the attributes of an owner and gives them.
    pub(super) fn end(&mut self, owner: Owner) -> &JsonText {
        let json = &mut self.attributes[owner as usize];
        json.close(self.opens[owner as usize]);
        json
    }

    /// Ends the attributes of an event and writes it behind the events of its span.
    pub(super) fn end_event(&mut self, time: u64, name: &str, dropped: u32) {
        self.end(Owner::Event);
        let attributes = &self.attributes[Owner::Event as usize];
        self.events.event(time, name.as_bytes(), attributes, dropped.into());
    }

    /// Counts what was left out.
    pub(super) fn count(&self, tally: &mut Tally) {
        self.attributes.iter().for_each(|json| json.count(tally));
    }
}
