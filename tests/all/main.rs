//! Does the whole keep its promises? The laws of the house, and the program from outside.
//!
//! One binary, declared in `collector/Cargo.toml`: only tests of the program's own package are told
//! where the program lies.

mod cli;
mod house;
mod obstacles;
mod serve;
mod shop;
