//! See [`resus_fuzz::config`].

#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| resus_fuzz::config(text));
