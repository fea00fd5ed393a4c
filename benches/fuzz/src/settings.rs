//! What is said of any text as a configuration of `resus serve`.

use std::io;

// Where the program keeps it; nothing else of the program is needed.
#[path = "../../../collector/src/config/mod.rs"]
#[allow(dead_code, missing_docs, clippy::all, reason = "the program uses all of it")]
mod config;

/// Long enough for a token, and never to be seen in a message.
const SECRET: &str = "hidden-0123456789";

fn read(text: &str) -> Result<config::Config, config::ConfigErrors> {
    let environment = |name: &str| (name == "A").then(|| SECRET.to_owned());
    let file = |_: &std::path::Path| Err::<String, _>(io::ErrorKind::NotFound.into());
    config::read(text, "fuzz.toml", &environment, &file)
}

/// A good text prints as one that reads as the same; a bad one has mistakes, each with its line.
pub(crate) fn check(text: &str) {
    match read(text) {
        Ok(known) => {
            let printed = config::print(&known);
            assert!(!printed.contains(SECRET), "{printed}");
            let again = read(&printed.replace("***", "${env:A}"));
            match again {
                Ok(again) => assert_eq!(config::print(&again), printed),
                // A secret may be part of a text; then `***` alone stands for something else.
                Err(_) if printed.contains("***") => {}
                Err(errors) => panic!("failed to {errors}\n{printed}"),
            }
        }
        Err(errors) => {
            assert!(!errors.mistakes.is_empty());
            let said = errors.to_string();
            assert!(said.len() < 100_000 + 100 * text.len(), "{} bytes", said.len());
            assert!(!said.contains(SECRET), "{said}");
            for mistake in &errors.mistakes {
                assert!(mistake.line.is_some_and(|line| line >= 1), "{mistake}");
            }
        }
    }
}
