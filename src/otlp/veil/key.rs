//! The key of the pseudonyms, and the keyed hash itself.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// Shorter keys are refused, bytes: they could be guessed.
const KEY_BYTES_MIN: usize = 16;
/// Longer files are no keys, bytes.
const KEY_BYTES_MAX: usize = 64 * 1024;
/// Block of SHA-256, bytes.
const BLOCK: usize = 64;

/// Why a key was not taken.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file could not be read.
    #[error("read the key `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// Too short, or no key at all.
    #[error("the key has {found} bytes; give {KEY_BYTES_MIN} to {KEY_BYTES_MAX}")]
    Length {
        /// Bytes that were given.
        found: usize,
    },
}

/// A secret. Whoever has it can tell which name a pseudonym stands for, by trying names.
#[derive(Clone)]
pub struct Key {
    inner: Sha256,
    outer: Sha256,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(secret)")
    }
}

impl Key {
    /// Reads a key from a file; a line end behind it does not belong to it.
    pub fn from_file(path: &Path) -> Result<Self, KeyError> {
        let bytes = std::fs::read(path).map_err(|source| KeyError::Read { path: path.to_owned(), source })?;
        Self::new(&bytes)
    }

    /// A key from bytes.
    pub fn new(bytes: &[u8]) -> Result<Self, KeyError> {
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        if !(KEY_BYTES_MIN..=KEY_BYTES_MAX).contains(&bytes.len()) {
            return Err(KeyError::Length { found: bytes.len() });
        }
        Ok(Self::hmac(bytes))
    }

    /// HMAC-SHA-256 (RFC 2104), its two halves prepared.
    fn hmac(bytes: &[u8]) -> Self {
        let mut block = [0_u8; BLOCK];
        if bytes.len() > BLOCK {
            let digest: [u8; 32] = Sha256::digest(bytes).into();
            block[..32].copy_from_slice(&digest);
        } else {
            block[..bytes.len()].copy_from_slice(bytes);
        }
        let half = |pad: u8| Sha256::new_with_prefix(block.map(|byte| byte ^ pad));
        Self { inner: half(0x36), outer: half(0x5c) }
    }

    /// The keyed hash of a text.
    pub(super) fn hash(&self, text: &[u8]) -> [u8; 32] {
        let inner: [u8; 32] = self.inner.clone().chain_update(text).finalize().into();
        self.outer.clone().chain_update(inner).finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: [u8; 32]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn the_hash_is_hmac_sha_256() {
        // RFC 4231, test cases 1, 2 and 6.
        let long = Key::hmac(&[0xaa; 131]).hash(b"Test Using Larger Than Block-Size Key - Hash Key First");
        assert_eq!(hex(long), "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
        let first = Key::hmac(&[0x0b; 20]).hash(b"Hi There");
        assert_eq!(hex(first), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
        let second = Key::hmac(b"Jefe").hash(b"what do ya want for nothing?");
        assert_eq!(hex(second), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn a_key_that_can_be_guessed_is_refused_and_none_is_ever_shown() {
        assert!(matches!(Key::new(b"secret"), Err(KeyError::Length { found: 6 })));
        let key = Key::new(b"0123456789abcdef\n").unwrap();
        assert_eq!(key.hash(b"x"), Key::new(b"0123456789abcdef").unwrap().hash(b"x"));
        assert_eq!(format!("{key:?}"), "Key(secret)");
    }
}
