//! See [`resus_fuzz::log`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| resus_fuzz::log(bytes));
