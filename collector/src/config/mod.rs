//! The configuration of `resus serve`: one TOML file, read and checked as a whole.
//!
//! Everything has a default, so that no file at all is a good one. An unknown key is a mistake, every
//! value has a range, and all mistakes are told at once, each with its line. `docs/configuration.md`
//! describes every key; a test holds it against this module.

// How a file is read and shown.
mod entry;
mod keys;
pub(crate) mod mistake;
mod nearest;
mod print;
mod read;
pub(crate) mod reference;

// The kinds of values.
pub(crate) mod address;
pub(crate) mod secret;
mod size;
mod value;

mod optional;

// The sections, in the order of the file.
mod receive;
pub(crate) mod tls;

mod store;

mod assemble;

mod watch;

mod diagnose;

pub(crate) mod forward;
mod metrics;
mod telemetry;

mod api;

// What must hold among them.
mod consistency;

#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};

use resus_model::Rules;

pub(crate) use api::Api;
pub(crate) use assemble::Assemble;
pub(crate) use forward::Forward;
pub(crate) use metrics::Metrics;
pub(crate) use mistake::ConfigErrors;
pub(crate) use receive::Receive;
pub(crate) use store::Store;
pub(crate) use telemetry::Telemetry;
pub(crate) use watch::Watch;

use keys::{Keys, Section};
use optional::OptionalPath;
use reference::Outside;

/// The configuration of `resus serve`, checked: each value within its range, and all of them fit
/// together.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Config {
    /// Who may send, and how much at once.
    pub(crate) receive: Receive,
    /// What is kept on disk, and for how long.
    pub(crate) store: Store,
    /// When the spans of a trace are taken as complete.
    pub(crate) assemble: Assemble,
    /// What a failed request is, and what an operation is called.
    pub(crate) rules: Rules,
    /// How often to look, and what to compare with.
    pub(crate) watch: Watch,
    /// When a component is a suspect. Its `windows_chosen` is for the program to say.
    pub(crate) diagnose: resus_suspects::Config,
    /// Which metrics are kept.
    pub(crate) metrics: Metrics,
    /// Where requests go on to.
    pub(crate) forward: Forward,
    /// Where the program's own telemetry goes.
    pub(crate) telemetry: Telemetry,
    /// Where it answers questions.
    pub(crate) api: Api,
    /// The restart tree: a TOML file, if there is one.
    pub(crate) tree: Option<PathBuf>,
}

/// Reads a configuration. `name` is what messages call the file; `environment` gives the value of a
/// variable, `read_file` the text of a file that holds a secret.
///
/// # Errors
///
/// All mistakes of the file, in the order of lines.
pub(crate) fn read(
    text: &str,
    name: &str,
    environment: &dyn Fn(&str) -> Option<String>,
    read_file: &dyn Fn(&Path) -> io::Result<String>,
) -> Result<Config, ConfigErrors> {
    let mut config = Config::standard();
    let mistakes = read::read_into(&mut config, text, Outside { environment, read_file });
    if mistakes.is_empty() {
        Ok(config)
    } else {
        Err(ConfigErrors { name: name.to_owned(), mistakes })
    }
}

/// Writes a configuration as TOML: every key, with units, secrets as `***`. It reads back as the same
/// one once the secrets are put in; `***` itself is refused where a secret stands.
pub(crate) fn print(config: &Config) -> String {
    print::print_of(&mut config.clone())
}

impl Config {
    /// What holds where nothing is written: it listens on loopback and keeps its data in
    /// `resus-data`.
    pub(crate) fn standard() -> Self {
        Self {
            receive: Receive::standard(),
            store: Store::standard(),
            assemble: Assemble::standard(),
            rules: Rules::STANDARD,
            watch: Watch::standard(),
            diagnose: resus_suspects::Config::STANDARD,
            metrics: Metrics::standard(),
            forward: Forward::standard(),
            telemetry: Telemetry::standard(),
            api: Api::standard(),
            tree: None,
        }
    }
}

impl Section for Config {
    fn keys(&mut self, keys: &mut dyn Keys) {
        let Self {
            receive,
            store,
            assemble,
            rules,
            watch,
            diagnose,
            metrics,
            forward,
            telemetry,
            api,
            tree,
        } = self;
        keys.part("receive", receive);
        keys.part("store", store);
        keys.part("assemble", assemble);
        keys.part("rules", rules);
        keys.part("watch", watch);
        keys.part("diagnose", diagnose);
        keys.part("metrics", metrics);
        keys.part("forward", forward);
        keys.part("telemetry", telemetry);
        keys.part("api", api);
        keys.part("tree", &mut Tree(tree));
        consistency::rules(self, keys);
    }
}

/// The section of the restart tree.
struct Tree<'a>(&'a mut Option<PathBuf>);

impl Section for Tree<'_> {
    fn keys(&mut self, keys: &mut dyn Keys) {
        keys.key("file", &mut OptionalPath(self.0));
    }
}
