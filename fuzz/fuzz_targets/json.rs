//! Any bytes as OTLP/JSON.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| perfline::otlp::fuzz::json(data));
