//! See [`resus_fuzz::metrics_protobuf`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| resus_fuzz::metrics_protobuf(bytes));
