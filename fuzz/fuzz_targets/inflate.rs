//! Any bytes as a compressed body: no panic, and never more than the limit comes out.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use perfline::otlp::inflate::{Compression, inflate};

const LIMIT: usize = 1 << 20;

fuzz_target!(|data: &[u8]| {
    let Some((selector, body)) = data.split_first() else { return };
    let compression = [Compression::Gzip, Compression::Deflate, Compression::Zstd][usize::from(selector % 3)];
    if let Ok(plain) = inflate(compression, Bytes::copy_from_slice(body), LIMIT, &mut |_| true) {
        assert!(plain.len() <= LIMIT);
    }
});
