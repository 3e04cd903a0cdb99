//! Any bytes as a compressed body.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| perfline::otlp::fuzz::inflate(data));
