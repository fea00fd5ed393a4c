//! What can be wrong with a configuration.

use std::fmt;

use super::reference::Fault;

/// Everything that is wrong with a configuration, in the order of lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConfigErrors {
    /// Where the text came from, as the reader named it.
    pub(crate) name: String,
    /// The mistakes; never empty.
    pub(crate) mistakes: Vec<Mistake>,
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// The line, from 1 on; `None` where the mistake is in no single place.
    pub(crate) line: Option<u32>,
    /// What it is.
    pub(crate) kind: MistakeKind,
}

/// What a mistake is. Each message says what was found, what was expected and what to do; none holds
/// a secret. Keys are named from the root on. The messages say what the fields are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MistakeKind {
    #[error("not TOML: {message}")]
    Syntax { message: String },
    #[error("unknown key `{key}`{}{}", inside(.section), instead(.hint, .known))]
    UnknownKey { key: String, section: String, hint: Option<String>, known: Vec<&'static str> },
    #[error("unknown key `{key}`{}, which belongs into {}; move it there", inside(.section), sections(.belongs))]
    MisplacedKey { key: String, section: String, belongs: Vec<String> },
    #[error("`{key}` is {found}; it is a section, write `[{key}]` and its keys below")]
    NotASection { key: String, found: &'static str },
    #[error("`{key}` is {found}; expected {expected}")]
    Value { key: String, found: String, expected: String },
    #[error("`{key}` {fault}")]
    Reference { key: String, fault: Fault },
    #[error("`{key}` {fault}")]
    Secret { key: String, fault: SecretFault },
    #[error("`{key}` names {item} twice; take one of them out")]
    Twice { key: String, item: String },
    #[error(
        "`{key}` holds a user or a password; take them out, and give them in `headers` if the receiver asks for them"
    )]
    Credentials { key: String },
    #[error(
        "`{key}` is {found}, the address of one signal; expected the address before `/v1/`, which the program appends itself"
    )]
    SignalPath { key: String, found: String },

    #[error("`{more}` is {more_value} and `{less}` only {less_value}; {remedy}")]
    Order {
        less: &'static str,
        less_value: String,
        more: &'static str,
        more_value: String,
        remedy: &'static str,
    },
    #[error(
        "{of} windows (`watch.of`) of {pane} (`watch.pane`) do not fit into `watch.lookback`, {lookback}; raise it, or lower one of the others"
    )]
    WindowsBeyondLookback { of: u32, pane: String, lookback: String },
    #[error(
        "`{key}` is {value}, more than {most} times `watch.pane`, {pane}; lower the first or raise the second"
    )]
    ManyPanes { key: &'static str, value: String, most: u32, pane: String },
    #[error(
        "`{whole}` is {whole_value}, less than twice `{half}`, {half_value}; {why}, raise the first or lower the second"
    )]
    Half {
        half: &'static str,
        half_value: String,
        whole: &'static str,
        whole_value: String,
        why: &'static str,
    },
    #[error("`grpc` and `http` of `[receive]` are both off; give at least one an address")]
    NothingReceived,
    #[error(
        "`{one}` is {address} and `{other}` {other_address}, which cannot both be listened on; {remedy}"
    )]
    SameAddress {
        one: &'static str,
        address: String,
        other: &'static str,
        other_address: String,
        remedy: &'static str,
    },
    #[error(
        "`{key}` is {address}, which others than this machine reach, in plain text; give `[{section}.tls]` a `certificate` and a `key`, listen on 127.0.0.1, or write `{section}.allow_plain_beyond_loopback = true`"
    )]
    PlainBeyondLoopback { key: &'static str, address: String, section: &'static str },
    #[error("`{given}` is given without {}, and does nothing alone; add what is missing, or take it out", list(.missing))]
    Alone { given: String, missing: Vec<String> },
    #[error(
        "`{key}` is {endpoint}, which is this program's own `{listener}`; telemetry would run in a circle, name another receiver or write \"\" for none"
    )]
    Loop { key: &'static str, endpoint: String, listener: &'static str },
    #[error(
        "`forward.ca` is given and `forward.endpoint` begins with `http://`, so it would not be used; begin it with `https://`, or take `ca` out"
    )]
    CaWithoutTls,
}

/// What is wrong with a secret. Says nothing of its content. The messages say what the fields are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SecretFault {
    #[error(
        "is a secret and written as {found}; write it in quotes, best as `${{env:VAR}}` or `${{file:PATH}}`"
    )]
    NotText { found: &'static str },
    #[error("is {found}; expected a list, such as `[\"${{env:TOKEN}}\"]`")]
    NotAList { found: &'static str },
    #[error("is {found}; expected a table, such as `{{ authorization = \"${{env:TOKEN}}\" }}`")]
    NotATable { found: &'static str },
    #[error("holds an empty secret; give it a value, or take it out")]
    Empty,
    #[error(
        "is `***`, which stands for a secret that was not shown; put the secret back, best as `${{env:VAR}}` or `${{file:PATH}}`"
    )]
    Hidden,
    #[error(
        "holds a secret of {length} characters; expected at least {least}, such as `openssl rand -hex 16` writes"
    )]
    Short { length: usize, least: usize },
    #[error("holds a secret of more than {most} bytes; expected at most that")]
    Long { most: usize },
    #[error(
        "holds a token with other characters than letters, digits and `-._~+/`, and `=` at its end (RFC 6750); choose another one"
    )]
    TokenCharacters,
    #[error(
        "holds a secret with characters that no header field may carry; expected visible ASCII characters, and blanks only inside a header field"
    )]
    Characters,
    #[error("is no name of a header field; expected letters, digits and `-`")]
    HeaderName,
    #[error("is a header field that the program writes itself; take it out")]
    OwnHeader,
    #[error(
        "is a header field that is there already, and their case does not matter; take one out"
    )]
    Twice,
}

fn inside(section: &str) -> String {
    if section.is_empty() {
        " outside of any section".to_owned()
    } else {
        format!(" in `[{section}]`")
    }
}

fn instead(hint: &Option<String>, known: &[&str]) -> String {
    match hint {
        Some(hint) => format!(" (did you mean `{hint}`?)"),
        None => format!("; expected one of {}", list(known)),
    }
}

fn sections(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`[{name}]`")).collect();
    names.join(" or ")
}

fn list(keys: &[impl fmt::Display]) -> String {
    keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for ConfigErrors {
    /// One line for the whole, then one a mistake.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, mistakes } = self;
        let plural = if mistakes.len() == 1 { "mistake" } else { "mistakes" };
        write!(f, "read the configuration {name}: {} {plural}", mistakes.len())?;
        mistakes.iter().try_for_each(|mistake| write!(f, "\n  {mistake}"))
    }
}

impl std::error::Error for ConfigErrors {}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, kind } = self;
        if let Some(line) = line {
            write!(f, "line {line}: ")?;
        }
        write!(f, "{kind}")
    }
}
