//! What does a source file name, once its comments, strings and tests are taken away?
//!
//! Read off the tokens, not the text: paths are put together from imports, renames and groups. Glob
//! imports and macros that build names are not followed; clippy's lists of banned functions stand
//! behind this scan.

use std::collections::BTreeMap;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A path that is named in code, imports resolved.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Named {
    /// With `::` between segments; a glob import ends in `::*`.
    pub(super) path: String,
    /// Line in the file, from 1.
    pub(super) line: usize,
    /// It stands in a `pub use`.
    pub(super) exported: bool,
}

/// What was found in one file.
#[derive(Debug, Default)]
pub(super) struct Source {
    /// All paths outside tests.
    pub(super) names: Vec<Named>,
    /// Modules that are declared for tests only and live in files of their own.
    pub(super) test_modules: Vec<String>,
    /// Lines where floats are summed or folded in parallel.
    pub(super) parallel_float_folds: Vec<usize>,
}

/// Reads a file's text.
pub(super) fn read(text: &str) -> Result<Source, String> {
    let stream: TokenStream = text
        .parse()
        .map_err(|e: proc_macro2::LexError| format!("line {}: {e}", e.span().start().line))?;
    let mut found = Source::default();
    let tokens = without_tests(stream, &mut found.test_modules);
    let mut imports = Vec::new();
    collect_imports(&tokens, &mut imports);
    let aliases: BTreeMap<String, String> = imports
        .iter()
        .filter(|i| i.alias != "_" && i.alias != "*")
        .map(|i| (i.alias.clone(), i.named.path.clone()))
        .collect();
    let mut names: Vec<Named> = imports.into_iter().map(|i| i.named).collect();
    collect_paths(&tokens, &aliases, &mut names);
    names.sort();
    names.dedup();
    found.names = names;
    collect_parallel_float_folds(&tokens, false, &mut found.parallel_float_folds);
    Ok(found)
}

/// True when using `path` uses what is banned: it is that, lies in it, or is a glob over it.
pub(super) fn uses(path: &str, banned: &str) -> bool {
    let under = |whole: &str, part: &str| {
        whole == part || whole.strip_prefix(part).is_some_and(|rest| rest.starts_with("::"))
    };
    under(path, banned) || path.strip_suffix("::*").is_some_and(|module| under(banned, module))
}

/// Tokens as a list of trees in which every group is a list again.
#[derive(Debug, Clone)]
enum Token {
    Word(String, usize),
    Mark(char),
    Literal(String),
    Group(Delimiter, Vec<Self>),
}

impl Token {
    fn is_mark(&self, wanted: char) -> bool {
        matches!(self, Self::Mark(c) if *c == wanted)
    }

    fn word(&self) -> Option<&str> {
        if let Self::Word(w, _) = self { Some(w) } else { None }
    }
}

fn without_tests(stream: TokenStream, test_modules: &mut Vec<String>) -> Vec<Token> {
    let raw: Vec<TokenTree> = stream.into_iter().collect();
    let mut kept = Vec::new();
    let mut i = 0;
    while i < raw.len() {
        if let Some((inner, next)) = test_attribute(&raw[i..]) {
            if inner {
                return kept;
            }
            i = skip_item(&raw, i + next, test_modules);
            continue;
        }
        kept.push(match &raw[i] {
            TokenTree::Ident(w) => Token::Word(w.to_string(), w.span().start().line),
            TokenTree::Punct(p) => Token::Mark(p.as_char()),
            TokenTree::Literal(l) => Token::Literal(l.to_string()),
            TokenTree::Group(g) => {
                Token::Group(g.delimiter(), without_tests(g.stream(), test_modules))
            }
        });
        i += 1;
    }
    kept
}

/// Whether tokens begin with `#[cfg(test)]`, `#[test]` or an inner `#![cfg(test)]`; how many tokens
/// that takes.
fn test_attribute(tokens: &[TokenTree]) -> Option<(bool, usize)> {
    let mark =
        |t: Option<&TokenTree>, c: char| matches!(t, Some(TokenTree::Punct(p)) if p.as_char() == c);
    if !mark(tokens.first(), '#') {
        return None;
    }
    let inner = mark(tokens.get(1), '!');
    let at = if inner { 2 } else { 1 };
    let Some(TokenTree::Group(attribute)) = tokens.get(at) else { return None };
    let text = attribute.stream().to_string().replace(' ', "");
    let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let for_tests = text == "test"
        || (words.first() == Some(&"cfg") && words.contains(&"test") && !words.contains(&"not"));
    for_tests.then_some((inner, at + 1))
}

/// Where the item that begins at `from` ends: after its braces or its semicolon.
fn skip_item(raw: &[TokenTree], from: usize, test_modules: &mut Vec<String>) -> usize {
    let mut last_word = String::new();
    let mut module = false;
    for (i, token) in raw.iter().enumerate().skip(from) {
        match token {
            TokenTree::Ident(word) => {
                module |= last_word == "mod";
                last_word = word.to_string();
                module |= last_word == "mod";
            }
            TokenTree::Punct(p) if p.as_char() == ';' => {
                if module {
                    test_modules.push(last_word);
                }
                return i + 1;
            }
            TokenTree::Group(g) if g.delimiter() == Delimiter::Brace => return i + 1,
            TokenTree::Punct(_) | TokenTree::Group(_) | TokenTree::Literal(_) => {}
        }
    }
    raw.len()
}

struct Import {
    alias: String,
    named: Named,
}

fn collect_imports(tokens: &[Token], out: &mut Vec<Import>) {
    let mut i = 0;
    while i < tokens.len() {
        match &tokens[i] {
            Token::Group(_, inner) => collect_imports(inner, out),
            Token::Word(word, _) if word == "use" => {
                let end = tokens[i..].iter().position(|t| t.is_mark(';'));
                let end = end.map_or(tokens.len(), |n| i + n);
                let exported = i > 0 && tokens[i - 1].word() == Some("pub");
                expand(&[], &tokens[i + 1..end], exported, out);
                i = end;
            }
            Token::Word(..) | Token::Mark(_) | Token::Literal(_) => {}
        }
        i += 1;
    }
}

/// Spells out one tree of a `use`: `a::{b, c as d, e::*}` names `a::b`, `a::c` and `a::e::*`.
fn expand(prefix: &[String], tokens: &[Token], exported: bool, out: &mut Vec<Import>) {
    let mut path = prefix.to_vec();
    let mut alias = None;
    let mut line = 0;
    let mut i = 0;
    while i < tokens.len() {
        match &tokens[i] {
            Token::Word(word, _) if word == "as" => {
                alias = tokens.get(i + 1).and_then(Token::word).map(str::to_owned);
                i += 1;
            }
            Token::Word(word, at) => {
                line = *at;
                if word != "self" {
                    path.push(word.clone());
                }
            }
            Token::Mark('*') => path.push("*".to_owned()),
            Token::Group(Delimiter::Brace, inner) => {
                for part in inner.split(|t| t.is_mark(',')).filter(|part| !part.is_empty()) {
                    expand(&path, part, exported, out);
                }
                return;
            }
            Token::Group(..) | Token::Mark(_) | Token::Literal(_) => {}
        }
        i += 1;
    }
    let Some(last) = path.last() else { return };
    let alias = alias.unwrap_or_else(|| last.clone());
    out.push(Import { alias, named: Named { path: path.join("::"), line, exported } });
}

fn collect_paths(tokens: &[Token], aliases: &BTreeMap<String, String>, out: &mut Vec<Named>) {
    let mut i = 0;
    while i < tokens.len() {
        match &tokens[i] {
            Token::Group(_, inner) => collect_paths(inner, aliases, out),
            Token::Word(word, _) if word == "use" => {
                let end = tokens[i..].iter().position(|t| t.is_mark(';'));
                i = end.map_or(tokens.len(), |n| i + n);
            }
            Token::Word(first, line) => {
                let method =
                    i > 0 && tokens[i - 1].is_mark('.') && !(i > 1 && tokens[i - 2].is_mark('.'));
                let mut path = aliases.get(first).unwrap_or(first).clone();
                while let [Token::Mark(':'), Token::Mark(':'), Token::Word(next, _), ..] =
                    &tokens[i + 1..]
                {
                    path.push_str("::");
                    path.push_str(next);
                    i += 3;
                }
                if !method && path.contains("::") {
                    out.push(Named { path, line: *line, exported: false });
                }
            }
            Token::Mark(_) | Token::Literal(_) => {}
        }
        i += 1;
    }
}

/// Looks for one chain of calls that begins with a parallel iterator and ends in a fold, in a
/// statement that speaks of floats. Crude: it knows a float by `f64`, `f32` or a literal with a
/// point, in the statement or in the return type of the function whose tail it is.
fn collect_parallel_float_folds(tokens: &[Token], tail_is_float: bool, out: &mut Vec<usize>) {
    const FOLDS: [&str; 9] = [
        "sum",
        "product",
        "reduce",
        "reduce_with",
        "fold",
        "fold_with",
        "fold_chunks",
        "try_fold",
        "try_reduce",
    ];
    let statements: Vec<&[Token]> = tokens.split(|t| t.is_mark(';')).collect();
    for (n, statement) in statements.iter().enumerate() {
        let words = statement.iter().filter_map(|t| match t {
            Token::Word(w, line) => Some((w.as_str(), *line)),
            Token::Group(..) | Token::Mark(_) | Token::Literal(_) => None,
        });
        let mut from_parallel =
            words.skip_while(|(w, _)| !w.starts_with("par_") && *w != "into_par_iter");
        if let Some((_, line)) = from_parallel.next()
            && from_parallel.any(|(w, _)| FOLDS.contains(&w))
            && (speaks_of_floats(statement) || (tail_is_float && n + 1 == statements.len()))
        {
            out.push(line);
        }
        let mut since_brace = 0;
        for (i, token) in statement.iter().enumerate() {
            if let Token::Group(delimiter, inner) = token {
                let braces = *delimiter == Delimiter::Brace;
                let head = &statement[since_brace..i];
                collect_parallel_float_folds(inner, braces && returns_float(head), out);
                if braces {
                    since_brace = i + 1;
                }
            }
        }
    }
}

fn returns_float(head: &[Token]) -> bool {
    head.windows(3).any(|w| {
        w[0].is_mark('-') && w[1].is_mark('>') && matches!(w[2].word(), Some("f64" | "f32"))
    })
}

fn speaks_of_floats(tokens: &[Token]) -> bool {
    tokens.iter().any(|t| match t {
        Token::Word(w, _) => w == "f64" || w == "f32",
        Token::Literal(l) => {
            l.starts_with(|c: char| c.is_ascii_digit())
                && (l.contains('.') || l.ends_with("f64") || l.ends_with("f32"))
        }
        Token::Group(_, inner) => speaks_of_floats(inner),
        Token::Mark(_) => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_names(text: &str, expected: &[&str]) {
        let mut paths: Vec<String> =
            read(text).expect("lexes").names.into_iter().map(|n| n.path).collect();
        paths.sort();
        paths.dedup();
        assert_eq!(paths, expected);
    }

    #[test]
    fn paths_are_named_in_full_whatever_way_they_came_in() {
        check_names("fn f() { std::fs::read(x); }", &["std::fs::read"]);
        check_names("use std::{fs, io::{self, Read}};", &["std::fs", "std::io", "std::io::Read"]);
        check_names("use std::fs; fn f() { fs::read(x) }", &["std::fs", "std::fs::read"]);
        check_names("use std as s; fn f() { s::env::var(x) }", &["std", "std::env::var"]);
        check_names("use std::time::*;", &["std::time::*"]);
        check_names("fn f() { g(|| ::std::fs::read(x)); }", &["std::fs::read"]);
        check_names("fn f() -> Vec<std::net::IpAddr> {}", &["std::net::IpAddr"]);
    }

    #[test]
    fn comments_strings_and_tests_name_nothing() {
        check_names("// std::fs\n/// std::fs\nfn f() { g(\"std::fs::read\") }", &[]);
        check_names("#[cfg(test)] mod tests { use std::fs; } fn f() {}", &[]);
        check_names("#[cfg(test)] #[expect(x)] mod tests { use std::fs; } use a::b;", &["a::b"]);
        check_names("#[cfg(all(test, unix))] fn f() { std::fs::read(x) }", &[]);
        check_names("#![cfg(test)] use std::fs;", &[]);
        check_names("#[cfg(not(test))] fn f() { std::fs::read(x) }", &["std::fs::read"]);
    }

    #[test]
    fn modules_for_tests_in_files_of_their_own_are_told() {
        let source = read("#[cfg(test)]\nmod laws;\nmod real;").expect("lexes");
        assert_eq!(source.test_modules, ["laws"]);
    }

    #[test]
    fn only_a_plain_pub_use_exports() {
        let exported = |text: &str| read(text).expect("lexes").names[0].exported;
        assert!(exported("pub use polars::frame::DataFrame;"));
        assert!(!exported("pub(crate) use polars::frame::DataFrame;"));
        assert!(!exported("use polars::frame::DataFrame;"));
    }

    #[test]
    fn a_ban_reaches_what_is_inside_it_and_globs_around_it() {
        assert!(uses("std::fs", "std::fs"));
        assert!(uses("std::fs::File::open", "std::fs"));
        assert!(uses("std::time::*", "std::time::Instant"));
        assert!(uses("std::*", "std::time::Instant"));
        assert!(!uses("std::time::Duration", "std::time::Instant"));
        assert!(!uses("std::fsx", "std::fs"));
        assert!(!uses("std", "std::fs"));
    }

    #[test]
    fn floats_folded_in_parallel_are_found() {
        let lines = |text: &str| read(text).expect("lexes").parallel_float_folds;
        assert_eq!(lines("fn f() {\n let t: f64 = xs.par_iter().map(g).sum(); }"), [2]);
        assert_eq!(lines("fn f() -> f64 {\n xs.par_iter().map(|x| x.a).sum() }"), [2]);
        assert_eq!(lines("fn f() {\n g(xs.into_par_iter().reduce(|| 0.0, add)); }"), [2]);
        assert_eq!(lines("impl A { fn f() -> f64 {\n xs.par_chunks(8).map(g).sum() } }"), [2]);
    }

    #[test]
    fn integers_and_sequential_sums_inside_parallel_maps_are_left_alone() {
        let lines = |text: &str| read(text).expect("lexes").parallel_float_folds;
        assert!(lines("fn f() { let t: u64 = xs.par_iter().sum(); }").is_empty());
        let inside =
            "fn f() { let t: Vec<f64> = xs.par_iter().map(|x| x.iter().sum()).collect(); }";
        assert!(lines(inside).is_empty());
        assert!(lines("fn f() -> f64 { let t = xs.par_iter().max(); xs.iter().sum() }").is_empty());
    }
}
