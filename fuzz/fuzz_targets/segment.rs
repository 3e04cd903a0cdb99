//! Any bytes as a segment of the log, and any damage to a segment that was written well.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| perfline::store::log::fuzz::segment(data));
