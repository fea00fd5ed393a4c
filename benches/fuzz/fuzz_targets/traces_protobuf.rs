//! See [`resus_fuzz::traces_protobuf`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| resus_fuzz::traces_protobuf(bytes));
