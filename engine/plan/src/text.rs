//! Text for a terminal of 80 columns. Names from traces may hold anything; none of it may steer the
//! terminal.

/// Columns of a line.
pub(crate) const WIDTH: usize = 80;

/// A text without control characters, cut or filled with spaces to exactly so many characters. A
/// cut is marked by `~`.
pub(crate) fn fit(text: &str, width: usize) -> String {
    let clean = clean(text);
    if clean.chars().count() <= width {
        return format!("{clean:<width$}");
    }
    let mut cut: String = clean.chars().take(width.saturating_sub(1)).collect();
    cut.push('~');
    cut
}

/// A text without characters that steer a terminal or turn the direction of writing.
pub(crate) fn clean(text: &str) -> String {
    let steers = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if steers(c) { '\u{fffd}' } else { c }).collect()
}

/// Fills lines with words, the first line behind `head`, the others behind as many spaces. A word
/// longer than a line is broken.
pub(crate) fn fill(head: &str, text: &str, out: &mut String) {
    let indent = head.chars().count();
    let room = WIDTH - indent;
    let mut line = String::from(head);
    let mut used = 0;
    let mut end = |line: &mut String, used: &mut usize| {
        out.push_str(line.trim_end());
        out.push('\n');
        *line = " ".repeat(indent);
        *used = 0;
    };
    let clean = clean(text);
    for word in clean.split_whitespace() {
        let letters: Vec<char> = word.chars().collect();
        for piece in letters.chunks(room) {
            let space = usize::from(used > 0);
            if used + space + piece.len() > room {
                end(&mut line, &mut used);
            }
            if used > 0 {
                line.push(' ');
                used += 1;
            }
            line.extend(piece);
            used += piece.len();
        }
    }
    end(&mut line, &mut used);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_filled_and_long_words_broken() {
        let mut out = String::new();
        fill("  why  ", &format!("one two {} end", "x".repeat(150)), &mut out);
        assert!(out.lines().all(|line| line.chars().count() <= WIDTH), "{out}");
        assert_eq!(out.lines().count(), 4, "{out}");
        assert!(out.starts_with("  why  one two\n       xxx"), "{out}");
    }

    #[test]
    fn nothing_steers_the_terminal() {
        assert_eq!(fit("a\u{1b}[2Jb\n\u{202e}", 12).trim_end(), "a\u{fffd}[2Jb\u{fffd}\u{fffd}");
        assert_eq!(fit("abcdef", 4), "abc~");
    }
}
