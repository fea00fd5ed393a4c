//! Executors and their typed targets: one enum, the same words in the restart tree and in a plan.
//!
//! A target is the operator's text and nothing else: no byte of it ever comes from a span. Secrets
//! are named, never written: `${secret:NAME}` is allowed in URLs, header values and arguments, and
//! is filled in by whoever carries a plan out, after the plan was checked.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who restarts a cell, and what to tell it.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Executor {
    /// Says what it would do, and does nothing.
    DryRun,
    /// A child process of Resus' own supervisor.
    Process {
        /// Its name in the supervisor's configuration.
        name: String,
    },
    /// A program that does the restart and exits 0 when it is done.
    Command {
        /// The program and its arguments; no shell reads them.
        argv: Vec<String>,
    },
    /// A POST to a service that restarts a part of itself.
    Http {
        /// `http://` or `https://`, or one secret that holds the whole URL.
        url: String,
        /// Headers to send.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        headers: BTreeMap<String, String>,
    },
    /// A program (or a group of its processes) under supervisord.
    Supervisord {
        /// As supervisorctl names it: `program`, `group:program` or `group:*`.
        program: String,
    },
    /// A systemd unit.
    Systemd {
        /// With its suffix: `cart.service`.
        unit: String,
    },
    /// Containers of a Docker-compatible engine.
    Docker(DockerTarget),
    /// The pods of a Deployment.
    Kubernetes {
        /// Its namespace.
        namespace: String,
        /// Its name.
        deployment: String,
    },
}

/// Which containers.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum DockerTarget {
    /// The one of this name.
    Container(String),
    /// All with this label, `key` or `key=value`.
    Label(String),
}

/// What is wrong with a target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// A text is empty.
    #[error("`{field}` is empty; write what to restart")]
    Empty {
        /// Which.
        field: &'static str,
    },
    /// A text has a control character.
    #[error("`{field}` has a control character in it; write plain text")]
    Control {
        /// Which.
        field: &'static str,
    },
    /// A `$` placeholder of another form, or where none is allowed.
    #[error(
        "`{field}` has a placeholder that nobody fills in; only `${{secret:NAME}}` exists (letters, digits, `_`, `-`, `.`), in URLs, header values and arguments"
    )]
    Placeholder {
        /// Which.
        field: &'static str,
    },
    /// A password in a URL.
    #[error(
        "`{field}` has credentials in it; put them into a header as `${{secret:NAME}}`, or make the whole URL a secret"
    )]
    Credentials {
        /// Which.
        field: &'static str,
    },
    /// A text is not of the form that the target knows.
    #[error("`{field}` is {found:?}; expected {expected}")]
    Form {
        /// Which.
        field: &'static str,
        /// What it says.
        found: String,
        /// What it should be.
        expected: &'static str,
    },
}

impl Executor {
    /// Its name, as the tree and the plan write it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::DryRun => "dry_run",
            Self::Process { .. } => "process",
            Self::Command { .. } => "command",
            Self::Http { .. } => "http",
            Self::Supervisord { .. } => "supervisord",
            Self::Systemd { .. } => "systemd",
            Self::Docker(_) => "docker",
            Self::Kubernetes { .. } => "kubernetes",
        }
    }

    /// What it is told to restart, in one line for people; secrets stay references.
    #[must_use]
    pub fn target(&self) -> String {
        match self {
            Self::DryRun => String::new(),
            Self::Process { name } => name.clone(),
            Self::Command { argv } => argv.join(" "),
            Self::Http { url, .. } => url.clone(),
            Self::Supervisord { program } => program.clone(),
            Self::Systemd { unit } => unit.clone(),
            Self::Docker(DockerTarget::Container(name)) => name.clone(),
            Self::Docker(DockerTarget::Label(label)) => format!("label {label}"),
            Self::Kubernetes { namespace, deployment } => format!("{namespace}/{deployment}"),
        }
    }

    /// True when it can stop a target and start it later, so that what the target needs can be
    /// restarted in between. The others only know a whole restart.
    #[must_use]
    pub const fn can_hold(&self) -> bool {
        match self {
            Self::DryRun
            | Self::Process { .. }
            | Self::Supervisord { .. }
            | Self::Systemd { .. }
            | Self::Docker(_) => true,
            Self::Command { .. } | Self::Http { .. } | Self::Kubernetes { .. } => false,
        }
    }

    /// True when its target may stand for several instances of which it can restart one, by an
    /// inventory of its own.
    #[must_use]
    pub const fn has_inventory(&self) -> bool {
        match self {
            Self::DryRun
            | Self::Supervisord { .. }
            | Self::Docker(DockerTarget::Label(_))
            | Self::Kubernetes { .. } => true,
            Self::Process { .. }
            | Self::Command { .. }
            | Self::Http { .. }
            | Self::Systemd { .. }
            | Self::Docker(DockerTarget::Container(_)) => false,
        }
    }

    /// Checks the target's texts.
    ///
    /// # Errors
    /// The first one that is not of the form its executor knows.
    pub fn check(&self) -> Result<(), TargetError> {
        match self {
            Self::DryRun => Ok(()),
            Self::Process { name } => plain("name", name),
            Self::Command { argv } => {
                let program = argv.first().map_or("", String::as_str);
                plain("argv", program)?;
                argv.iter().try_for_each(|argument| with_secrets("argv", argument))
            }
            Self::Http { url, headers } => {
                check_url(url)?;
                headers.iter().try_for_each(|(name, value)| {
                    let token =
                        |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
                    form("headers", name, "names of HTTP headers", name.chars().all(token))?;
                    with_secrets("headers", value)
                })
            }
            Self::Supervisord { program } => plain("program", program),
            Self::Systemd { unit } => {
                plain("unit", unit)?;
                let known = |c: char| c.is_ascii_alphanumeric() || ":_.\\@-".contains(c);
                let whole =
                    unit.rsplit_once('.').is_some_and(|(a, b)| !a.is_empty() && !b.is_empty());
                let expected = "a unit's whole name, such as `cart.service`";
                form("unit", unit, expected, whole && unit.chars().all(known))
            }
            Self::Docker(DockerTarget::Container(name)) => {
                plain("container", name)?;
                let known = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
                form("container", name, "a container's name", name.chars().all(known))
            }
            Self::Docker(DockerTarget::Label(label)) => {
                plain("label", label)?;
                form("label", label, "`key` or `key=value`", !label.starts_with('='))
            }
            Self::Kubernetes { namespace, deployment } => {
                kubernetes_name("namespace", namespace)?;
                kubernetes_name("deployment", deployment)
            }
        }
    }
}

fn form(
    field: &'static str,
    found: &str,
    expected: &'static str,
    fits: bool,
) -> Result<(), TargetError> {
    if fits { Ok(()) } else { Err(TargetError::Form { field, found: found.to_owned(), expected }) }
}

fn plain(field: &'static str, text: &str) -> Result<(), TargetError> {
    if text.is_empty() {
        return Err(TargetError::Empty { field });
    }
    no_control(field, text)?;
    if text.contains("${") { Err(TargetError::Placeholder { field }) } else { Ok(()) }
}

fn no_control(field: &'static str, text: &str) -> Result<(), TargetError> {
    if text.chars().any(char::is_control) { Err(TargetError::Control { field }) } else { Ok(()) }
}

fn with_secrets(field: &'static str, text: &str) -> Result<(), TargetError> {
    no_control(field, text)?;
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("${") {
        rest = secret(after).ok_or(TargetError::Placeholder { field })?;
    }
    Ok(())
}

/// What follows a secret's reference, of which the `${` was read already.
fn secret(after: &str) -> Option<&str> {
    let (name, rest) = after.strip_prefix("secret:")?.split_once('}')?;
    let known = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    (!name.is_empty() && name.chars().all(known)).then_some(rest)
}

fn check_url(url: &str) -> Result<(), TargetError> {
    let field = "url";
    if url.is_empty() {
        return Err(TargetError::Empty { field });
    }
    with_secrets(field, url)?;
    if url.strip_prefix("${").and_then(secret) == Some("") {
        return Ok(());
    }
    let scheme = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let Some(rest) = scheme else {
        let expected = "`http://…` or `https://…`, or `${secret:NAME}` for the whole URL";
        return Err(TargetError::Form { field, found: url.to_owned(), expected });
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
    if authority.contains('@') {
        return Err(TargetError::Credentials { field });
    }
    let fits = !authority.is_empty() && !url.contains(char::is_whitespace);
    form(field, url, "a host after `://`, and no spaces", fits)
}

fn kubernetes_name(field: &'static str, name: &str) -> Result<(), TargetError> {
    plain(field, name)?;
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let fits = name.len() <= 253
        && name.chars().all(inner)
        && edge(name.chars().next())
        && edge(name.chars().last());
    form(field, name, "lower-case letters, digits, `-` and `.`", fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(executor: &Executor, says: &str) {
        let error = executor.check().expect_err("refused");
        assert!(error.to_string().contains(says), "{error}");
    }

    fn http(url: &str) -> Executor {
        Executor::Http { url: url.to_owned(), headers: BTreeMap::new() }
    }

    fn command(argv: &[&str]) -> Executor {
        Executor::Command { argv: argv.iter().map(|&a| a.to_owned()).collect() }
    }

    #[test]
    fn targets_of_the_right_form_pass() {
        let mut headers = BTreeMap::new();
        headers.insert("Authorization".to_owned(), "Bearer ${secret:cart-token}".to_owned());
        let good = [
            Executor::DryRun,
            Executor::Http { url: "https://cart:8080/restart?part=a".to_owned(), headers },
            http("${secret:CART_URL}"),
            http("http://h/${secret:PATH}"),
            command(&["/usr/bin/restart", "--token=${secret:t}", ""]),
            Executor::Systemd { unit: "app@1.service".to_owned() },
            Executor::Docker(DockerTarget::Label("com.example.role=cart".to_owned())),
            Executor::Kubernetes { namespace: "shop".to_owned(), deployment: "cart-v2".to_owned() },
        ];
        for executor in good {
            assert_eq!(executor.check(), Ok(()), "{executor:?}");
        }
    }

    #[test]
    fn targets_of_another_form_are_refused_with_what_was_expected() {
        refused(&http("ftp://x"), "https://");
        refused(&http("http://user:pass@host/"), "credentials");
        refused(&http("http:///restart"), "a host after");
        refused(&http("http://h/${env:HOME}"), "placeholder");
        refused(&http("http://h/${secret:}"), "placeholder");
        refused(&http("http://h/\r\nX: y"), "control");
        refused(&command(&[]), "`argv` is empty");
        refused(&command(&["${secret:program}"]), "placeholder");
        refused(&Executor::Systemd { unit: "cart".to_owned() }, "cart.service");
        refused(&Executor::Systemd { unit: "a b.service".to_owned() }, "whole name");
        refused(&Executor::Process { name: String::new() }, "`name` is empty");
        refused(&Executor::Docker(DockerTarget::Container("a/b".to_owned())), "container's name");
        let deployment = "Cart".to_owned();
        refused(&Executor::Kubernetes { namespace: "shop".to_owned(), deployment }, "lower-case");
    }
}
