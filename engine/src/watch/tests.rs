//! Scenarios: what is said, and when.

mod fixture;

mod faults;
mod healthy;
mod learning;
mod panes;
mod restart;
mod silence;
