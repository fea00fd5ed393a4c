//! Texts from outside made fit to be shown: without control characters, no wider than asked.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Stands for what was left out of a text.
const ELLIPSIS: char = '…';

/// Replaces what could move the cursor, hide text or turn its direction round: span names come from
/// whoever sends spans.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    if text.chars().any(is_unsafe) {
        Cow::Owned(
            text.chars()
                .map(|c| if is_unsafe(c) { char::REPLACEMENT_CHARACTER } else { c })
                .collect(),
        )
    } else {
        Cow::Borrowed(text)
    }
}

/// The same for a text of several lines, which may hold tabs.
pub(crate) fn clean_lines(text: &str) -> Cow<'_, str> {
    let is_unsafe = |c: char| is_unsafe(c) && c != '\n' && c != '\t';
    if text.chars().any(is_unsafe) {
        Cow::Owned(text.replace(is_unsafe, "\u{fffd}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// Control characters, line and paragraph separators, and the marks that steer bidirectional text.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{061c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
                | '\u{feff}'
        )
}

/// Columns that a text takes in a terminal.
pub(super) fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// Cuts the middle out of a text until it fits into `max` columns (at least 1).
pub(crate) fn shorten(text: &str, max: usize) -> String {
    let text = clean(text);
    if width(&text) <= max {
        return text.into_owned();
    }
    // A text is not always as wide as its characters together, so the result is measured, too.
    let mut room = max.saturating_sub(1);
    loop {
        let head = take(text.chars(), room.div_ceil(2));
        let tail: String = take(text.chars().rev(), room / 2).chars().rev().collect();
        let short = format!("{head}{ELLIPSIS}{tail}");
        if width(&short) <= max || room == 0 {
            return short;
        }
        room -= 1;
    }
}

/// As many characters from the front as fit into `max` columns.
fn take(chars: impl Iterator<Item = char>, max: usize) -> String {
    let mut used = 0;
    chars
        .take_while(|&c| {
            used += c.width().unwrap_or(0);
            used <= max
        })
        .collect()
}

/// Fills a text with spaces on the right.
pub(super) fn left(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

/// Fills a text with spaces on the left.
pub(super) fn right(text: &str, columns: usize) -> String {
    format!("{}{text}", " ".repeat(columns.saturating_sub(width(text))))
}

/// Breaks a text into lines of at most `columns`, the first after `first` columns that are taken
/// already, the others indented by `indent` spaces.
pub(super) fn wrap(text: &str, columns: usize, first: usize, indent: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = first;
    for word in text.split(' ').filter(|w| !w.is_empty()) {
        let word = shorten(word, columns.saturating_sub(indent).max(1));
        let gap = usize::from(!line.trim_end().is_empty());
        if used + gap + width(&word) > columns && !line.trim_end().is_empty()
            || used + width(&word) > columns && used > indent
        {
            lines.push(std::mem::take(&mut line));
            line = " ".repeat(indent);
            used = indent;
        } else if gap == 1 {
            line.push(' ');
            used += 1;
        }
        line.push_str(&word);
        used += width(&word);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_middle_of_a_long_text_goes() {
        assert_eq!(shorten("checkout", 8), "checkout");
        assert_eq!(shorten("checkoutservice", 9), "chec…vice");
        assert_eq!(shorten("支払いサービス", 8), "支払…ス");
        assert_eq!(shorten("abc", 1), "…");
    }

    #[test]
    fn what_steers_a_terminal_is_replaced() {
        assert_eq!(clean("a\u{1b}[31mb\nc\u{202e}d"), "a\u{fffd}[31mb\u{fffd}c\u{fffd}d");
        assert!(matches!(clean("plain ünïcode"), Cow::Borrowed(_)));
        assert_eq!(
            clean_lines("a\u{1b}[31mb\n\tc\r\u{202e}"),
            "a\u{fffd}[31mb\n\tc\u{fffd}\u{fffd}"
        );
        assert!(matches!(clean_lines("one\n\ttwo"), Cow::Borrowed(_)));
    }

    #[test]
    fn lines_break_between_words() {
        assert_eq!(wrap("one two three", 9, 0, 2), ["one two", "  three"]);
        assert_eq!(wrap("one two", 9, 6, 2), ["one", "  two"]);
        assert_eq!(wrap("seventeen two", 9, 6, 2), ["", "  sev…een", "  two"]);
        assert_eq!(wrap("", 9, 0, 2), [""]);
    }

    proptest! {
        #[test]
        fn nothing_is_wider_than_asked(text in ".{0,60}", max in 2_usize..40) {
            prop_assert!(width(&shorten(&text, max)) <= max);
        }

        #[test]
        fn no_line_is_wider_than_asked(words in "(\\PC{1,30} ){0,12}", first in 0_usize..20) {
            for (i, line) in wrap(&words, 40, first, 4).iter().enumerate() {
                prop_assert!(width(line) + if i == 0 { first } else { 0 } <= 40, "{line:?}");
            }
        }
    }
}
