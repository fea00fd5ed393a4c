//! Patterns over names: `*` stands for any run of characters, also none; `\*` and `\\` for
//! themselves; everything else for itself.
//!
//! *Containment*: pattern `p` contains `q` when every text that `q` matches is matched by `p`. With
//! `*` as the only wildcard and letters without end, this is decided by matching `p` against `q` as
//! if `q`'s `*` were one more letter that only a `*` of `p` may swallow.

use std::fmt;

/// A pattern over one name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Glob {
    text: String,
    tokens: Vec<Token>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Token {
    Letter(char),
    Any,
}

impl Glob {
    /// Reads a pattern; the empty one matches the empty text alone. `None` when a backslash stands
    /// before anything but `*` and `\`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut tokens = Vec::with_capacity(text.len());
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            let token = match letter {
                '*' => Token::Any,
                '\\' => Token::Letter(letters.next().filter(|c| matches!(c, '*' | '\\'))?),
                other => Token::Letter(other),
            };
            if token != Token::Any || tokens.last() != Some(&Token::Any) {
                tokens.push(token);
            }
        }
        Some(Self { text: text.to_owned(), tokens })
    }

    /// The pattern that matches this text alone.
    #[must_use]
    pub fn literal(text: &str) -> String {
        text.replace('\\', "\\\\").replace('*', "\\*")
    }

    /// True when it matches the whole text.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let letters: Vec<Token> = text.chars().map(Token::Letter).collect();
        swallows(&self.tokens, &letters)
    }

    /// True when it matches everything that the other matches.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        swallows(&self.tokens, &other.tokens)
    }

    /// The pattern as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Greedy matching with one point to return to: the last `*` swallows one letter more each time the
/// rest does not fit, which is enough because an earlier `*` can never do better than it did.
fn swallows(pattern: &[Token], letters: &[Token]) -> bool {
    let (mut p, mut l) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while l < letters.len() {
        match pattern.get(p) {
            Some(Token::Any) => {
                retry = Some((p, l));
                p += 1;
            }
            Some(token) if *token == letters[l] => {
                p += 1;
                l += 1;
            }
            _ => {
                let Some((star, from)) = retry else { return false };
                retry = Some((star, from + 1));
                p = star + 1;
                l = from + 1;
            }
        }
    }
    pattern[p..].iter().all(|token| *token == Token::Any)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn glob(text: &str) -> Glob {
        Glob::parse(text).expect("a pattern")
    }

    #[test]
    fn stars_match_any_run_and_backslashes_take_their_meaning_away() {
        for (pattern, yes, no) in [
            ("cart", "cart", "carts"),
            ("cart*", "cart", "car"),
            ("*cart", "my-cart", "cart-2"),
            ("GET */item", "GET /a/b/item", "GET item"),
            ("a*b*c", "a1b2b3c", "a1c2b"),
            ("*", "", "\0never"),
            (r"a\*b", "a*b", "aXb"),
            (r"a\\b", r"a\b", "ab"),
        ] {
            assert!(glob(pattern).matches(yes), "{pattern} {yes}");
            if !no.starts_with('\0') {
                assert!(!glob(pattern).matches(no), "{pattern} {no}");
            }
        }
        for bad in ["\\", r"\x", r"a\"] {
            assert_eq!(Glob::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn containment() {
        for (outer, inner, holds) in [
            ("*", "cart", true),
            ("cart*", "cart-*", true),
            ("cart-*", "cart*", false),
            ("*a*", "*ba*", true),
            ("a*c", "a*b*c", true),
            ("a*b*c", "a*c", false),
            ("cart", "cart", true),
            ("*", "*", true),
            ("cart", "*", false),
        ] {
            assert_eq!(glob(outer).contains(&glob(inner)), holds, "{outer} {inner}");
        }
    }

    proptest! {
        #[test]
        fn a_literal_matches_itself_alone(text in ".{1,12}", other in ".{0,12}") {
            let literal = glob(&Glob::literal(&text));
            prop_assert!(literal.matches(&text));
            prop_assert_eq!(literal.matches(&other), text == other);
        }

        #[test]
        fn what_the_inner_matches_the_outer_matches(
            outer in "[ab*]{1,6}", inner in "[ab*]{1,6}", text in "[abc]{0,8}",
        ) {
            let (outer, inner) = (glob(&outer), glob(&inner));
            if outer.contains(&inner) && inner.matches(&text) {
                prop_assert!(outer.matches(&text));
            }
        }

        #[test]
        fn containment_is_found_where_it_holds(outer in "[ab*]{1,5}", inner in "[ab*]{1,5}") {
            // A letter that stands nowhere in the outer pattern decides: the inner one with its
            // stars filled by nothing or by that letter is matched only through the outer's stars.
            let (outer, inner_glob) = (glob(&outer), glob(&inner));
            let filled = inner.replace('*', "zz");
            prop_assert_eq!(outer.contains(&inner_glob), outer.matches(&filled) && {
                outer.matches(&inner.replace('*', "")) && outer.matches(&inner.replace('*', "z"))
            });
        }
    }
}
