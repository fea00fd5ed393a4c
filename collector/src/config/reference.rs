//! `${env:VAR}`, `${env:VAR:-default}` and `${file:PATH}` inside a text.
//!
//! What they stand for is taken as it is: references in it are not resolved again. `$${` is the two
//! characters `${`; any other `$` is itself.

use std::io;
use std::path::Path;

/// What references may reach. Functions, so that only the program touches its environment.
#[derive(Clone, Copy)]
pub(super) struct Outside<'a> {
    /// The value of an environment variable.
    pub(super) environment: &'a dyn Fn(&str) -> Option<String>,
    /// The text of a file.
    pub(super) read_file: &'a dyn Fn(&Path) -> io::Result<String>,
}

/// What is wrong with a reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// The variable is not there, and no default is given.
    #[error(
        "needs the environment variable {variable}, which is not set; set it, or write a default as `${{env:{variable}:-default}}`"
    )]
    Unset {
        /// Its name.
        variable: String,
    },
    /// A `${` that begins none of the references.
    #[error(
        "holds a `${{` that begins no reference; expected `${{env:VAR}}`, `${{env:VAR:-default}}`, in a secret also `${{file:PATH}}`, and `$${{` for the characters themselves"
    )]
    Malformed,
    /// A file where no secret is kept.
    #[error("reads a file, which only secrets may; write the value, or take `${{env:VAR}}`")]
    FileOutsideSecret,
    /// The file cannot be read.
    #[error(
        "needs the file {path}, which cannot be read: {error}; write a path that this program may read"
    )]
    File {
        /// Its path, as it was written.
        path: String,
        /// What the system said.
        error: String,
    },
}

/// A text with all its references resolved, or all that is wrong with them.
pub(super) fn resolve(
    text: &str,
    outside: Outside<'_>,
    is_secret: bool,
) -> Result<String, Vec<Fault>> {
    let (mut resolved, mut faults) = (String::new(), Vec::new());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        resolved.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("$${") {
            resolved.push_str("${");
            rest = after;
        } else if let Some(after) = rest.strip_prefix("${") {
            let Some((inside, after)) = after.split_once('}') else {
                faults.push(Fault::Malformed);
                break;
            };
            match one(inside, outside, is_secret) {
                Ok(value) => resolved.push_str(&value),
                Err(fault) => faults.push(fault),
            }
            rest = after;
        } else {
            resolved.push('$');
            rest = &rest[1..];
        }
    }
    resolved.push_str(rest);
    if faults.is_empty() { Ok(resolved) } else { Err(faults) }
}

/// A text in which [`resolve`] finds no reference, and gives back this one.
pub(super) fn escape(text: &str) -> String {
    text.replace("${", "$${")
}

fn one(inside: &str, outside: Outside<'_>, is_secret: bool) -> Result<String, Fault> {
    if let Some(variable) = inside.strip_prefix("env:") {
        let (variable, default) = match variable.split_once(":-") {
            Some((variable, default)) => (variable, Some(default)),
            None => (variable, None),
        };
        if !is_name(variable) {
            return Err(Fault::Malformed);
        }
        let value = (outside.environment)(variable);
        // As in a shell: `:-` also stands in for a variable that is set to nothing.
        return match default {
            Some(default) => Ok(value.filter(|v| !v.is_empty()).unwrap_or_else(|| default.into())),
            None => value.ok_or_else(|| Fault::Unset { variable: variable.to_owned() }),
        };
    }
    let path = inside.strip_prefix("file:").filter(|p| !p.is_empty()).ok_or(Fault::Malformed)?;
    if !is_secret {
        return Err(Fault::FileOutsideSecret);
    }
    let text = (outside.read_file)(Path::new(path))
        .map_err(|e| Fault::File { path: path.to_owned(), error: e.to_string() })?;
    // Editors and `echo` end a file with a line end that is not part of the secret.
    let text = text.strip_suffix('\n').map_or(text.as_str(), |t| t.strip_suffix('\r').unwrap_or(t));
    Ok(text.to_owned())
}

fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
