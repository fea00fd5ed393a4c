//! The `resus` program.
fn main() {}
