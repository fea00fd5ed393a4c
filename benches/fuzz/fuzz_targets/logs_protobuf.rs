//! See [`resus_fuzz::logs_protobuf`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| resus_fuzz::logs_protobuf(bytes));
