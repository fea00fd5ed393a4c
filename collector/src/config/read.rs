//! From TOML to values, with every mistake in one go.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::entry::{Entry, cut, kind};
use super::keys::{Keys, Section, Value};
use super::mistake::{Mistake, MistakeKind};
use super::nearest::did_you_mean;
use super::reference::Outside;

/// Reads a file into a section that holds the defaults; the mistakes are in the order of lines.
pub(super) fn read_into(root: &mut dyn Section, text: &str, outside: Outside<'_>) -> Vec<Mistake> {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut found: Vec<(Option<Range<usize>>, MistakeKind)> = errors
        .iter()
        .map(|e| (place(text, e), MistakeKind::Syntax { message: e.message().to_owned() }))
        .collect();
    // What a parser guesses after a slip of syntax gives mistakes that nobody made.
    if found.is_empty() {
        let mut reader = Reader::new(text, outside);
        reader.section(String::new(), document.into_inner(), root);
        found = reader.mistakes();
    }
    let lines = Lines::of(text);
    let at = |span: Option<Range<usize>>| span.map(|span| lines.at(span.start));
    found.sort_by_key(|(span, _)| span.as_ref().map_or(usize::MAX, |span| span.start));
    found.into_iter().map(|(span, kind)| Mistake { line: at(span), kind }).collect()
}

/// Where an error of syntax is. Nesting that goes too deep is told without a place: it is in the first line
/// without which it is not there.
fn place(text: &str, error: &toml::de::Error) -> Option<Range<usize>> {
    if error.span().is_some() {
        return error.span();
    }
    let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at + 1).collect();
    let whole = |end: usize| {
        let (_, errors) = DeTable::parse_recoverable(&text[..end]);
        errors.iter().all(|e| e.span().is_some() || e.message() != error.message())
    };
    let lines = ends.partition_point(|&end| whole(end));
    let start = if lines == 0 { 0 } else { ends[lines - 1] };
    Some(start..start)
}

/// Sets values from a file.
struct Reader<'a> {
    text: &'a str,
    outside: Outside<'a>,
    mistakes: Vec<(Option<Range<usize>>, MistakeKind)>,
    /// The sections that are being read, outermost first.
    open: Vec<Open<'a>>,
    /// Where each key stands, by its path.
    places: BTreeMap<String, Range<usize>>,
    /// Keys whose values were refused.
    bad: BTreeSet<String>,
    /// Keys of each section, by its path.
    known: BTreeMap<String, Vec<&'static str>>,
    /// Section, key and place of what nobody asked for.
    unknown: Vec<(String, String, Range<usize>)>,
}

/// A section that is being read.
struct Open<'a> {
    path: String,
    /// What has not been asked for yet.
    rest: DeTable<'a>,
}

impl<'a> Reader<'a> {
    const fn new(text: &'a str, outside: Outside<'a>) -> Self {
        Self {
            text,
            outside,
            mistakes: Vec::new(),
            open: Vec::new(),
            places: BTreeMap::new(),
            bad: BTreeSet::new(),
            known: BTreeMap::new(),
            unknown: Vec::new(),
        }
    }

    fn section(&mut self, path: String, table: DeTable<'a>, section: &mut dyn Section) {
        self.open.push(Open { path, rest: table });
        section.keys(self);
        let Some(Open { path, rest }) = self.open.pop() else { return };
        for (key, _) in rest {
            let span = key.span();
            self.unknown.push((path.clone(), key.into_inner().into_owned(), span));
        }
    }

    /// The path of a key, and its value if it is in the file.
    fn take(&mut self, name: &'static str) -> (String, Option<toml::Spanned<DeValue<'a>>>) {
        let Some(Open { path, rest }) = self.open.last_mut() else {
            return (name.to_owned(), None);
        };
        self.known.entry(path.clone()).or_default().push(name);
        let path = join(path, name);
        let written = rest.remove_entry(name).map(|(key, value)| {
            self.places.insert(path.clone(), key.span());
            value
        });
        (path, written)
    }

    /// All mistakes, once everything was read: only then it is known which key belongs where.
    fn mistakes(self) -> Vec<(Option<Range<usize>>, MistakeKind)> {
        let Self { mut mistakes, known, unknown, .. } = self;
        for (section, key, span) in unknown {
            let here = known.get(&section).cloned().unwrap_or_default();
            let holds = |keys: &Vec<&str>| keys.contains(&key.as_str());
            let belongs: Vec<String> = known
                .iter()
                .filter(|(path, keys)| !path.is_empty() && holds(keys))
                .map(|(path, _)| path.clone())
                .collect();
            let hint = did_you_mean(&key, here.iter().copied()).map(str::to_owned);
            let key = cut(&key);
            let kind = if hint.is_none() && !belongs.is_empty() {
                MistakeKind::MisplacedKey { key, section, belongs }
            } else {
                MistakeKind::UnknownKey { key, section, hint, known: here }
            };
            mistakes.push((Some(span), kind));
        }
        mistakes
    }
}

impl Keys for Reader<'_> {
    fn key(&mut self, name: &'static str, value: &mut dyn Value) {
        let (path, Some(written)) = self.take(name) else { return };
        let mut entry = Entry {
            key: &path,
            expected: value.expected(),
            file: self.text,
            outside: self.outside,
            mistakes: Vec::new(),
        };
        value.set(&written, &mut entry);
        let mistakes = entry.mistakes;
        if !mistakes.is_empty() {
            self.mistakes.extend(mistakes.into_iter().map(|(span, kind)| (Some(span), kind)));
            self.bad.insert(path);
        }
    }

    fn part(&mut self, name: &'static str, part: &mut dyn Section) {
        let (path, written) = self.take(name);
        let table = match written.map(|written| (written.span(), written.into_inner())) {
            Some((_, DeValue::Table(table))) => table,
            Some((span, other)) => {
                let kind = MistakeKind::NotASection { key: path.clone(), found: kind(&other) };
                self.mistakes.push((Some(span), kind));
                DeTable::new()
            }
            None => DeTable::new(),
        };
        // Also where it is not in the file: its keys are to be known, and its rules may be broken.
        self.section(path, table, part);
    }

    fn rule(&mut self, keys: &[&str], holds: bool, broken: MistakeKind) {
        let section = self.open.last().map_or("", |open| open.path.as_str());
        let paths: Vec<String> = keys.iter().map(|key| join(section, key)).collect();
        if holds || paths.iter().any(|path| self.bad.contains(path)) {
            return;
        }
        let place = paths.iter().find_map(|path| self.places.get(path)).cloned();
        self.mistakes.push((place, broken));
    }

    fn needs(&mut self, (given, is_given): (&str, bool), needed: &[(&str, bool)]) {
        let section = self.open.last().map_or("", |open| open.path.as_str());
        let missing: Vec<String> =
            needed.iter().filter(|(_, there)| !there).map(|(key, _)| join(section, key)).collect();
        let given_path = join(section, given);
        if !is_given || missing.is_empty() {
            return;
        }
        let keys: Vec<&str> = [given].into_iter().chain(needed.iter().map(|(k, _)| *k)).collect();
        let wrong: Vec<String> = keys.iter().map(|key| join(section, key)).collect();
        self.rule(&keys, false, MistakeKind::Alone { given: given_path, missing });
        self.bad.extend(wrong);
    }
}

fn join(section: &str, key: &str) -> String {
    if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") }
}

/// Where lines begin, to turn places into line numbers.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i).collect())
    }

    /// The line, from 1 on, of a byte.
    fn at(&self, offset: usize) -> u32 {
        let before = self.0.partition_point(|&newline| newline < offset);
        u32::try_from(before).map_or(u32::MAX, |n| n.saturating_add(1))
    }
}
