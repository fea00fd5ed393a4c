//! The kinds of values: how each is read, held against its range, and shown.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use resus_plan::Millis;
use toml::Spanned;
use toml::de::DeValue;

use super::address::Listen;
use super::entry::Entry;
use super::keys::Value;
use super::mistake::MistakeKind;
use super::reference::escape;
use super::size;

/// What is written for a time that there is not.
const NONE: &str = "none";

/// What an address may be.
pub(super) const ADDRESS: &str =
    "an address with a port, such as `127.0.0.1:4317` or `[::1]:0`, 0 being any free port";

/// Most characters of a path.
const LONGEST_PATH: usize = 4_096;

/// A whole number within a range.
pub(super) struct Count<'a, N>(pub(super) &'a mut N, pub(super) RangeInclusive<u32>);

/// A real number within a range.
pub(super) struct Real<'a>(pub(super) &'a mut f64, pub(super) RangeInclusive<f64>);

/// True or false.
pub(super) struct Flag<'a>(pub(super) &'a mut bool);

/// A length of time within a range.
pub(super) struct Time<'a>(pub(super) &'a mut Duration, pub(super) RangeInclusive<Duration>);

/// A length of time in whole seconds, within a range.
pub(super) struct Seconds<'a>(pub(super) &'a mut Duration, pub(super) RangeInclusive<Duration>);

/// A length of time within a range, or `none`.
pub(super) struct TimeOrNone<'a>(
    pub(super) &'a mut Option<Duration>,
    pub(super) RangeInclusive<Duration>,
);

/// Bytes within a range.
pub(super) struct Size<'a>(pub(super) &'a mut u64, pub(super) RangeInclusive<u64>);

/// One of a few words.
pub(super) struct Choice<'a, T: 'static>(
    pub(super) &'a mut T,
    pub(super) &'static [(&'static str, T)],
);

/// Some of a few words, at least one.
pub(super) struct Choices<'a, T: 'static>(
    pub(super) &'a mut Vec<T>,
    pub(super) &'static [(&'static str, T)],
);

/// A name: a text of 1 to so many characters, none of which is a control character.
pub(super) struct Name<'a>(pub(super) &'a mut String, pub(super) usize);

/// A list of names, none twice.
pub(super) struct Names<'a>(pub(super) &'a mut Vec<String>, pub(super) usize);

/// A path that must be there.
pub(super) struct Folder<'a>(pub(super) &'a mut PathBuf);

/// Where to listen.
pub(super) struct Address<'a>(pub(super) &'a mut Listen);

/// A key of TOML, in quotes where it must be.
pub(super) fn toml_key(name: &str) -> String {
    let is_bare = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if !name.is_empty() && name.bytes().all(is_bare) { name.to_owned() } else { literal(name) }
}

/// A string of TOML.
fn literal(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// A string of TOML that reads back as this text: `${` in it is no reference.
pub(super) fn string(text: impl Display) -> String {
    literal(&escape(&text.to_string()))
}

/// Takes over what could be read; refuses the value otherwise.
pub(super) fn set<T>(
    place: &mut T,
    read: Option<T>,
    written: &Spanned<DeValue<'_>>,
    entry: &mut Entry<'_>,
) {
    match read {
        Some(value) => *place = value,
        None => entry.unexpected(written),
    }
}

/// A time in the form in which it is written.
pub(super) fn millis(time: Duration) -> Millis {
    Millis::new(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

fn parse_time(text: &str, range: &RangeInclusive<Duration>) -> Option<Duration> {
    let time = Duration::from_millis(Millis::parse(text)?.get());
    range.contains(&time).then_some(time)
}

fn times(range: &RangeInclusive<Duration>) -> String {
    format!("a time, `{}` to `{}`", millis(*range.start()), millis(*range.end()))
}

fn words<T>(known: &[(&'static str, T)]) -> String {
    known.iter().map(|(word, _)| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// A number in groups of three digits, as TOML can be written.
fn grouped(number: u32) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push('_');
        }
        text.push(digit);
    }
    text
}

fn is_name(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.chars().count()) && !text.contains(char::is_control)
}

pub(super) fn parse_path(text: &str) -> Option<PathBuf> {
    is_name(text, LONGEST_PATH).then(|| PathBuf::from(text))
}

impl<N: Copy + Display + TryFrom<i64>> Value for Count<'_, N> {
    fn expected(&self) -> String {
        format!("a whole number, {} to {}", grouped(*self.1.start()), grouped(*self.1.end()))
    }

    fn set(&mut self, written: &Spanned<DeValue<'_>>, entry: &mut Entry<'_>) {
        let read = written.get_ref().as_integer().and_then(|number| {
            let number = i64::from_str_radix(number.as_str(), number.radix()).ok()?;
            let within = (i64::from(*self.1.start())..=i64::from(*self.1.end())).contains(&number);
            within.then(|| N::try_from(number).ok())?
        });
        set(self.0, read, written, entry);
    }

    fn show(&self) -> String {
        self.0.to_string()
    }
}

impl Value for Real<'_> {
    fn expected(&self) -> String {
        format!("a number, {:?} to {:?}", self.1.start(), self.1.end())
    }

    fn set(&mut self, written: &Spanned<DeValue<'_>>, entry: &mut Entry<'_>) {
        let number: Option<f64> = match written.get_ref() {
            DeValue::Float(number) => number.as_str().parse().ok(),
            DeValue::Integer(number) if number.radix() == 10 => number.as_str().parse().ok(),
            _ => None,
        };
        // NaN is in no range; + 0.0 makes a zero of a minus zero.
        let read = number.filter(|number| self.1.contains(number)).map(|number| number + 0.0);
        set(self.0, read, written, entry);
    }

    fn show(&self) -> String {
        format!("{:?}", self.0)
    }
}

impl Value for Flag<'_> {
    fn expected(&self) -> String {
        "`true` or `false`".to_owned()
    }

    fn set(&mut self, written: &Spanned<DeValue<'_>>, entry: &mut Entry<'_>) {
        set(self.0, written.get_ref().as_bool(), written, entry);
    }

    fn show(&self) -> String {
        self.0.to_string()
    }
}

impl Value for Time<'_> {
    fn expected(&self) -> String {
        times(&self.1)
    }

    fn set(&mut self, written: &Spanned<DeValue<'_>>, entry: &mut Entry<'_>) {
        let Some(text) = entry.text(written) else { return };
        set(self.0, parse_time(&text, &self.1), written, entry);
    }

    fn show(&self) -> String {
        string(millis(*self.0))
    }
}

impl Value for Seconds<'_> {
    fn expected(&self) -> String {
        format!("{} in whole seconds", times(&self.1))
    }

    fn set(&mut self, written: &Spanned<DeValue<'_>>, entry: &mut Entry<'_>) {
        let Some(text) = entry.text(written) else { return };
        let read = parse_time(&text, &self.1).filter(|time| time.subsec_nanos() == 0);
        set(self.0, read, written, entry);
    }

    fn show(&self) -> String {
        string(millis(*self.0))
    }
}

impl Value for TimeOrNone<'_> {
    fn expected(&self) -> String {
        format!("{}, or `{NONE}`", times(&self.1))
    }

    fn set(&mut self, written: &Spanned<DeValue<'_>>, entry: &mut Entry<'_>) {
        let Some(text) = entry.text(written) else { return };
        let read = if text == NONE { Some(None) } else { parse_time(&text, &self.1).map(Some) };
        set(self.0, read, written, entry);
    }

    fn show(&self) -> String {
        self.0.map_or_else(|| string(NONE), |time| string(millis(time)))
    }
}

impl Value for Size<'_> {
    fn expected(&self) -> String {
        format!("a size, `{}` to `{}`", size::show(*self.1.start()), size::show(*self.1.end()))
    }

    fn set(&mut self, written: &Spanned<DeValue<'_>>, entry: &mut Entry<'_>) {
        let Some(text) = entry.text(written) else { return };
        let read = size::parse(&text).filter(|bytes| self.1.contains(bytes));
        set(self.0, read, written, entry);
    }

    fn show(&self) -> String {
        string(size::show(*self.0))
    }
}

impl<T: Copy + PartialEq> Value for Choice<'_, T> {
    fn expected(&self) -> String {
        format!("one of {}", words(self.1))
    }

    fn set(&mut self, written: &Spanned<DeValue<'_>>, entry: &mut Entry<'_>) {
        let Some(text) = entry.text(written) else { return };
        let read = self.1.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        set(self.0, read, written, entry);
    }

    fn show(&self) -> String {
        string(word_of(self.1, *self.0))
    }
}

impl<T: Copy + PartialEq> Value for Choices<'_, T> {
    fn expected(&self) -> String {
        format!("a list, some of {}", words(self.1))
    }

    fn set(&mut self, written: &Spanned<DeValue<'_>>, entry: &mut Entry<'_>) {
        let known = self.1;
        let read = |text: &str| {
            known.iter().find(|(word, _)| *word == text).map(|(word, _)| (*word).to_owned())
        };
        let Some(chosen) = list(written, entry, read) else { return };
        if chosen.is_empty() {
            return entry.unexpected(written);
        }
        // In the order of the words: what was written first means nothing.
        *self.0 = known
            .iter()
            .filter(|(word, _)| chosen.iter().any(|c| c == word))
            .map(|(_, value)| *value)
            .collect();
    }

    fn show(&self) -> String {
        array(self.0.iter().map(|value| word_of(self.1, *value)))
    }
}

impl Value for Name<'_> {
    fn expected(&self) -> String {
        format!("a name of 1 to {} characters", self.1)
    }

    fn set(&mut self, written: &Spanned<DeValue<'_>>, entry: &mut Entry<'_>) {
        let Some(text) = entry.text(written) else { return };
        let read = is_name(&text, self.1).then_some(text);
        set(self.0, read, written, entry);
    }

    fn show(&self) -> String {
        string(&self.0)
    }
}

impl Value for Names<'_> {
    fn expected(&self) -> String {
        format!("a list of names, each of 1 to {} characters", self.1)
    }

    fn set(&mut self, written: &Spanned<DeValue<'_>>, entry: &mut Entry<'_>) {
        let most = self.1;
        let read = |text: &str| is_name(text, most).then(|| text.to_owned());
        if let Some(names) = list(written, entry, read) {
            *self.0 = names;
        }
    }

    fn show(&self) -> String {
        array(self.0.iter())
    }
}

impl Value for Folder<'_> {
    fn expected(&self) -> String {
        "a path".to_owned()
    }

    fn set(&mut self, written: &Spanned<DeValue<'_>>, entry: &mut Entry<'_>) {
        let Some(text) = entry.text(written) else { return };
        set(self.0, parse_path(&text), written, entry);
    }

    fn show(&self) -> String {
        string(self.0.display())
    }
}

impl Value for Address<'_> {
    fn expected(&self) -> String {
        ADDRESS.to_owned()
    }

    fn set(&mut self, written: &Spanned<DeValue<'_>>, entry: &mut Entry<'_>) {
        let Some(text) = entry.text(written) else { return };
        set(self.0, Listen::parse(&text), written, entry);
    }

    fn show(&self) -> String {
        string(&self.0)
    }
}

/// A list of texts, none twice; `None` once it or one of them is refused.
fn list(
    written: &Spanned<DeValue<'_>>,
    entry: &mut Entry<'_>,
    read: impl Fn(&str) -> Option<String>,
) -> Option<Vec<String>> {
    let DeValue::Array(items) = written.get_ref() else {
        entry.unexpected(written);
        return None;
    };
    let mut texts: Vec<String> = Vec::new();
    let mut is_good = true;
    for item in items {
        let Some(text) = entry.text(item) else {
            is_good = false;
            continue;
        };
        match read(&text) {
            Some(text) if texts.contains(&text) => {
                let kind = MistakeKind::Twice { key: entry.key.to_owned(), item: string(&text) };
                entry.refuse(item.span(), kind);
                is_good = false;
            }
            Some(text) => texts.push(text),
            None => {
                entry.unexpected(item);
                is_good = false;
            }
        }
    }
    is_good.then_some(texts)
}

fn array(texts: impl Iterator<Item = impl Display>) -> String {
    format!("[{}]", texts.map(string).collect::<Vec<_>>().join(", "))
}

fn word_of<T: Copy + PartialEq>(known: &[(&'static str, T)], value: T) -> &'static str {
    known.iter().find(|(_, known)| *known == value).map_or("", |(word, _)| word)
}
