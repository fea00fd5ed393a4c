//! From values back to TOML.

use super::keys::{Keys, Section, Value};
use super::mistake::MistakeKind;

/// Writes a section with every key, secrets as `***`.
pub(super) fn print_of(root: &mut dyn Section) -> String {
    let mut printer = Printer { path: String::new(), text: String::new() };
    root.keys(&mut printer);
    printer.text
}

/// Shows values, one a line.
struct Printer {
    /// Of the section that is being printed.
    path: String,
    text: String,
}

impl Keys for Printer {
    fn key(&mut self, name: &'static str, value: &mut dyn Value) {
        self.text.push_str(&format!("{name} = {}\n", value.show()));
    }

    fn part(&mut self, name: &'static str, part: &mut dyn Section) {
        let outer = self.path.clone();
        let dot = if outer.is_empty() { "" } else { "." };
        self.path = format!("{outer}{dot}{name}");
        let blank = if self.text.is_empty() { "" } else { "\n" };
        self.text.push_str(&format!("{blank}[{}]\n", self.path));
        part.keys(self);
        self.path = outer;
    }

    fn rule(&mut self, _keys: &[&str], _holds: bool, _broken: MistakeKind) {}

    fn needs(&mut self, _given: (&str, bool), _needed: &[(&str, bool)]) {}
}
