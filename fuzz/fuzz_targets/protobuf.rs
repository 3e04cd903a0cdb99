//! Any bytes as a protobuf request.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| perfline::otlp::fuzz::protobuf(data));
