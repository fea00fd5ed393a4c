//! Does an OTLP receiver get what the process tells, and does the process stay unharmed when there is none?

mod circles;
mod metrics;
mod receiver;
mod spans;
mod trouble;
