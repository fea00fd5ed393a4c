//! What a decoder had to put up with: leniencies applied and spans left out.
//!
//! Counted in plain arrays while decoding, so that a span costs nothing here and a record that turns
//! out to be broken is taken back whole; handed to [`Quality`] at the end.

use resus_model::{Quality, SkipReason};

/// Something that OTLP does not allow and that is read all the same, because it is found in the wild.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lenient {
    Base64Id,
    IdPrefix,
    IdDashes,
    ShortTraceId,
    IdArray,
    SnakeCase,
    EnumName,
    UnknownEnum,
    InstrumentationLibrary,
    NoServiceName,
    NoSpanName,
    UnreadableParent,
    UnreadableLink,
    InvalidText,
    OtherSignal,
    ByteOrderMark,
    DuplicateKey,
    ManyMembers,
    DeepValue,
}

impl Lenient {
    const ALL: [Self; 19] = [
        Self::Base64Id,
        Self::IdPrefix,
        Self::IdDashes,
        Self::ShortTraceId,
        Self::IdArray,
        Self::SnakeCase,
        Self::EnumName,
        Self::UnknownEnum,
        Self::InstrumentationLibrary,
        Self::NoServiceName,
        Self::NoSpanName,
        Self::UnreadableParent,
        Self::UnreadableLink,
        Self::InvalidText,
        Self::OtherSignal,
        Self::ByteOrderMark,
        Self::DuplicateKey,
        Self::ManyMembers,
        Self::DeepValue,
    ];

    /// The stable name under which [`Quality::lenient`] counts it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Base64Id => "base64 ids",
            Self::IdPrefix => "ids with 0x prefix",
            Self::IdDashes => "ids with dashes",
            Self::ShortTraceId => "8-byte trace ids",
            Self::IdArray => "ids as arrays of integers",
            Self::SnakeCase => "snake_case keys",
            Self::EnumName => "enum names",
            Self::UnknownEnum => "unknown enum values",
            Self::InstrumentationLibrary => "instrumentationLibrarySpans",
            Self::NoServiceName => "spans without service.name",
            Self::NoSpanName => "spans without a name",
            Self::UnreadableParent => "unreadable parent ids",
            Self::UnreadableLink => "links with unreadable ids",
            Self::InvalidText => "invalid unicode",
            Self::OtherSignal => "records of logs, metrics or profiles",
            Self::ByteOrderMark => "byte order mark",
            Self::DuplicateKey => "attributes with a key twice",
            Self::ManyMembers => "attributes beyond 1024 of one object",
            Self::DeepValue => "attribute values cut off below 24 levels",
        }
    }
}

/// Counters of one decoding.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    /// What OTLP does not allow is not read: over the network nobody gains by it.
    strict: bool,
    counts: Counts,
    /// Where the first span left out for each reason stood.
    examples: [Option<String>; SkipReason::ALL.len()],
}

/// The numbers of a [`Tally`], to go back to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    lenient: [u64; Lenient::ALL.len()],
    skipped: [u64; SkipReason::ALL.len()],
}

impl Tally {
    /// Reads as OTLP's specification says, and no further. What protobuf allows anyway (a missing name,
    /// an unknown enum) stays a leniency.
    pub(crate) fn strict() -> Self {
        Self { strict: true, ..Self::default() }
    }

    pub(crate) const fn is_strict(&self) -> bool {
        self.strict
    }

    pub(crate) const fn lenient(&mut self, what: Lenient) {
        self.counts.lenient[what as usize] += 1;
    }

    pub(crate) const fn lenient_many(&mut self, what: Lenient, n: u64) {
        self.counts.lenient[what as usize] += n;
    }

    pub(crate) fn skip(&mut self, reason: SkipReason, place: impl FnOnce() -> String) {
        let i = reason as usize;
        self.counts.skipped[i] += 1;
        self.examples[i].get_or_insert_with(place);
    }

    /// Spans left out: why, how many, and where the first stood.
    pub(crate) fn skipped(&self) -> impl Iterator<Item = (SkipReason, u64, &str)> {
        let examples = self.examples.iter().map(|place| place.as_deref().unwrap_or_default());
        let all = SkipReason::ALL.into_iter().zip(self.counts.skipped).zip(examples);
        all.filter(|((_, n), _)| *n > 0).map(|((reason, n), place)| (reason, n, place))
    }

    pub(crate) const fn counts(&self) -> Counts {
        self.counts
    }

    /// Goes back to earlier numbers. An example found since stays: the same record is read again
    /// or the whole reading fails.
    pub(crate) const fn restore(&mut self, counts: Counts) {
        self.counts = counts;
    }

    /// Adds the numbers to a quality report and starts again from zero.
    pub(crate) fn drain_into(&mut self, quality: &mut Quality) {
        let Self { strict, counts, examples } = std::mem::take(self);
        self.strict = strict;
        let mut found = Quality::default();
        for (what, n) in Lenient::ALL.iter().zip(counts.lenient).filter(|&(_, n)| n > 0) {
            found.lenient.insert(what.name().to_owned(), n);
        }
        for ((reason, n), example) in SkipReason::ALL.iter().zip(counts.skipped).zip(examples) {
            if n > 0 {
                found.skipped.insert(*reason, (n, example.unwrap_or_default()));
            }
        }
        quality.merge(&found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_count_reaches_the_report_under_its_own_name() {
        let mut tally = Tally::default();
        for (i, what) in Lenient::ALL.into_iter().enumerate() {
            assert_eq!(what as usize, i, "order of ALL");
            tally.lenient_many(what, i as u64 + 1);
        }
        for (i, reason) in SkipReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, i, "order of SkipReason::ALL");
            tally.skip(reason, || format!("first {i}"));
            tally.skip(reason, || format!("second {i}"));
        }
        let mut quality = Quality::default();
        tally.drain_into(&mut quality);
        assert_eq!(quality.lenient.len(), Lenient::ALL.len(), "names are distinct");
        assert_eq!(quality.lenient["base64 ids"], 1);
        let last = "attribute values cut off below 24 levels";
        assert_eq!(quality.lenient[last], Lenient::ALL.len() as u64);
        assert_eq!(quality.skipped[&SkipReason::SpanId], (2, "first 1".to_owned()));
        assert_eq!(quality.skipped_total(), 12);
        let before = quality.clone();
        tally.drain_into(&mut quality);
        assert_eq!(quality, before, "drained once");
    }

    #[test]
    fn numbers_can_be_taken_back() {
        let mut tally = Tally::default();
        tally.lenient(Lenient::SnakeCase);
        let kept = tally.counts();
        tally.lenient(Lenient::SnakeCase);
        tally.skip(SkipReason::Start, || "here".to_owned());
        tally.restore(kept);
        let mut quality = Quality::default();
        tally.drain_into(&mut quality);
        assert_eq!(quality.lenient["snake_case keys"], 1);
        assert!(quality.skipped.is_empty());
    }
}
