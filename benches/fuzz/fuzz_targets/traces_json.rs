//! See [`resus_fuzz::traces_json`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| resus_fuzz::traces_json(bytes));
