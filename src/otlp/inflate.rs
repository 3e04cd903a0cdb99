//! Undoes a body's compression, bounded: in bytes that come out, and in the memory of its window.

use std::io::{self, Read};

use bytes::Bytes;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

/// Bytes that are inflated between two looks at the limit and at the budget.
const STEP: usize = 64 << 10;

/// The largest zstd window, as a power of two: 64 MiB.
const ZSTD_WINDOW_LOG_MAX: u32 = 26;

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    Identity,
    /// RFC 1952; several members may follow one another.
    Gzip,
    /// RFC 1950 as HTTP means it, or bare RFC 1951 as some send it.
    Deflate,
    /// RFC 8878.
    Zstd,
}

impl Compression {
    /// The names that are accepted, as a header lists them.
    pub const ACCEPTED: &'static str = "gzip, deflate, zstd, identity";

    /// Reads a `Content-Encoding` or `grpc-encoding`; `None` where it is unknown.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Some(Self::Identity),
            "gzip" | "x-gzip" => Some(Self::Gzip),
            "deflate" => Some(Self::Deflate),
            "zstd" => Some(Self::Zstd),
            _ => None,
        }
    }
}

/// Why a body could not be inflated.
#[derive(Debug, thiserror::Error)]
pub enum InflateError {
    /// More bytes come out than the limit.
    #[error("the body inflates to more than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The memory budget does not allow it now; the client should come again.
    #[error("no memory left for bodies")]
    Busy,
    /// The bytes are not what their encoding says.
    #[error("the body is not valid {name}: {source}")]
    Corrupt {
        /// The encoding.
        name: &'static str,
        /// What is wrong.
        source: io::Error,
    },
}

/// Inflates a body to at most `limit` bytes. `reserve` is asked for the total before it grows, and says no
/// where there is no memory for it.
pub fn inflate(
    compression: Compression,
    body: Bytes,
    limit: usize,
    reserve: &mut dyn FnMut(usize) -> bool,
) -> Result<Bytes, InflateError> {
    let input: &[u8] = &body;
    let corrupt = |source| InflateError::Corrupt { name: "zstd", source };
    let (name, mut reader): (_, Box<dyn Read + '_>) = match compression {
        Compression::Identity if body.len() > limit => return Err(InflateError::TooLarge { limit }),
        Compression::Identity => return Ok(body),
        Compression::Gzip => ("gzip", Box::new(MultiGzDecoder::new(input))),
        Compression::Deflate if has_zlib_header(input) => ("deflate", Box::new(ZlibDecoder::new(input))),
        Compression::Deflate => ("deflate", Box::new(DeflateDecoder::new(input))),
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(input).map_err(corrupt)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(corrupt)?;
            ("zstd", Box::new(decoder))
        }
    };
    let mut out = Vec::new();
    loop {
        if !reserve(body.len() + out.capacity().max(out.len() + STEP)) {
            return Err(InflateError::Busy);
        }
        // One byte past the limit tells a body that ends there from one that goes on.
        let step = STEP.min(limit + 1 - out.len());
        let read = reader
            .by_ref()
            .take(step as u64)
            .read_to_end(&mut out)
            .map_err(|source| InflateError::Corrupt { name, source })?;
        if out.len() > limit {
            return Err(InflateError::TooLarge { limit });
        }
        if read < step {
            return Ok(out.into());
        }
    }
}

/// Inflates what is read, as it is read and without a limit: for files of the user's own.
pub fn inflating<'a>(compression: Compression, input: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    Ok(match compression {
        Compression::Identity => Box::new(input),
        Compression::Gzip => Box::new(MultiGzDecoder::new(input)),
        Compression::Deflate => Box::new(ZlibDecoder::new(input)),
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::new(input)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
            Box::new(decoder)
        }
    })
}

/// RFC 1950: method 8, and a checksum over the first two bytes.
fn has_zlib_header(body: &[u8]) -> bool {
    matches!(body, [first, second, ..]
        if first & 0x0f == 8 && (u16::from(*first) << 8 | u16::from(*second)).is_multiple_of(31))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn gzip(bytes: &[u8]) -> Bytes {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap().into()
    }

    fn undo(compression: Compression, body: Bytes, limit: usize) -> Result<Bytes, InflateError> {
        inflate(compression, body, limit, &mut |_| true)
    }

    #[test]
    fn every_encoding_gives_the_body_back() {
        let plain: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        zlib.write_all(&plain).unwrap();
        let mut raw = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        raw.write_all(&plain).unwrap();
        let bodies = [
            (Compression::Identity, plain.clone().into()),
            (Compression::Gzip, gzip(&plain)),
            (Compression::Deflate, zlib.finish().unwrap().into()),
            (Compression::Deflate, raw.finish().unwrap().into()),
            (Compression::Zstd, zstd::encode_all(&plain[..], 3).unwrap().into()),
        ];
        for (compression, body) in bodies {
            assert_eq!(undo(compression, body.clone(), plain.len()).unwrap(), plain, "{compression:?}");
            let mut read = Vec::new();
            // Files are never deflated bare: nothing would tell that from noise.
            if compression != Compression::Deflate {
                inflating(compression, &body[..]).unwrap().read_to_end(&mut read).unwrap();
                assert_eq!(read, plain, "{compression:?}");
            }
            let short = undo(compression, body, plain.len() - 1);
            assert!(matches!(short, Err(InflateError::TooLarge { .. })), "{compression:?}");
        }
    }

    #[test]
    fn a_bomb_stops_at_the_limit_and_asks_for_no_more_memory_than_that() {
        let bomb = gzip(&vec![0; 64 << 20]);
        let mut most = 0;
        let outcome = inflate(Compression::Gzip, bomb, 1 << 20, &mut |bytes| {
            most = most.max(bytes);
            true
        });
        assert!(matches!(outcome, Err(InflateError::TooLarge { .. })));
        assert!(most < 2 << 20, "{most}");
    }

    #[test]
    fn a_full_budget_is_told_from_a_bad_body() {
        let body = gzip(&[7; 100_000]);
        let refused = inflate(Compression::Gzip, body.clone(), 1 << 20, &mut |_| false);
        assert!(matches!(refused, Err(InflateError::Busy)));
        let cut = undo(Compression::Gzip, body.slice(..body.len() / 2), 1 << 20);
        assert!(matches!(cut, Err(InflateError::Corrupt { .. })));
        for compression in [Compression::Gzip, Compression::Deflate, Compression::Zstd] {
            let garbage = undo(compression, Bytes::from_static(b"\xff\xffgarbage"), 1 << 20);
            assert!(matches!(garbage, Err(InflateError::Corrupt { .. })), "{compression:?}");
        }
    }
}
