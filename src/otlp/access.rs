//! Who may send, and who may ask: bearer tokens, compared in constant time, replaced without a restart.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

use super::refusal::Refusal;
use crate::model::live::Live;

/// Shorter tokens can be guessed.
const TOKEN_LENGTH_MIN: usize = 16;

/// What a request needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing: health.
    Nothing,
    /// To send telemetry.
    Write,
    /// To read what is stored, metrics too.
    Read,
    /// Both.
    Both,
}

/// Why somebody was turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// No bearer token at all.
    Missing,
    /// A token that is not known.
    Unknown,
    /// A known token that may not do this.
    Scope,
}

impl Denial {
    /// Every reason, in the order of the counters.
    pub const ALL: [Self; 3] = [Self::Missing, Self::Unknown, Self::Scope];

    /// The label in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unknown => "unknown",
            Self::Scope => "scope",
        }
    }
}

/// Why a token was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It can be guessed.
    #[error("token {number} has fewer than {TOKEN_LENGTH_MIN} characters")]
    Short {
        /// Which, from 1.
        number: usize,
    },
    /// It cannot stand in a header.
    #[error("token {number} has characters other than letters, digits and -._~+/=")]
    Characters {
        /// Which, from 1.
        number: usize,
    },
    /// There is none.
    #[error("there is no token")]
    None,
}

/// One token; only its hash is kept.
#[derive(Clone, Debug)]
struct Token {
    hash: [u8; 32],
    write: bool,
    read: bool,
}

/// The tokens that are known.
#[derive(Clone, Debug)]
pub struct Tokens(Vec<Token>);

impl Tokens {
    /// Reads tokens: `TOKEN` may do everything, `write:TOKEN` send, `read:TOKEN` ask.
    pub fn read<'a>(words: impl Iterator<Item = &'a str>) -> Result<Self, TokenError> {
        let mut tokens = Vec::new();
        for (place, word) in words.enumerate() {
            let number = place + 1;
            let (write, read, token) = match (word.strip_prefix("write:"), word.strip_prefix("read:")) {
                (Some(token), _) => (true, false, token),
                (None, Some(token)) => (false, true, token),
                (None, None) => (true, true, word),
            };
            if token.len() < TOKEN_LENGTH_MIN {
                return Err(TokenError::Short { number });
            }
            // RFC 6750, 2.1: what a bearer token may be made of.
            if !token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)) {
                return Err(TokenError::Characters { number });
            }
            tokens.push(Token { hash: Sha256::digest(token).into(), write, read });
        }
        if tokens.is_empty() { Err(TokenError::None) } else { Ok(Self(tokens)) }
    }

    /// Reads a file's text: one token a line, `#` begins a comment.
    pub fn read_file(text: &str) -> Result<Self, TokenError> {
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
        Self::read(lines.filter(|line| !line.is_empty()))
    }

    /// These and others.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Whether a token may do something. Hashes are compared whole and with every token, so that the time it takes
    /// says nothing of how near a guess came.
    fn check(&self, token: &str, need: Need) -> Result<(), Denial> {
        let hash: [u8; 32] = Sha256::digest(token).into();
        let (mut known, mut may) = (Choice::from(0), Choice::from(0));
        for candidate in &self.0 {
            let same = candidate.hash.ct_eq(&hash);
            let allowed = match need {
                Need::Nothing => true,
                Need::Write => candidate.write,
                Need::Read => candidate.read,
                Need::Both => candidate.write && candidate.read,
            };
            known |= same;
            may |= same & Choice::from(u8::from(allowed));
        }
        match (bool::from(known), bool::from(may)) {
            (_, true) => Ok(()),
            (true, false) => Err(Denial::Scope),
            (false, false) => Err(Denial::Unknown),
        }
    }
}

/// The tokens in force; clones share them.
#[derive(Clone, Debug)]
pub struct Access {
    tokens: Live<Option<Tokens>>,
}

impl Access {
    /// Everybody may do everything.
    #[must_use]
    pub fn open() -> Self {
        Self::new(None)
    }

    /// Only who has one of the tokens may.
    #[must_use]
    pub fn new(tokens: Option<Tokens>) -> Self {
        Self { tokens: Live::new(tokens) }
    }

    /// Replaces the tokens: the next request is judged by the new ones.
    pub fn replace(&self, tokens: Option<Tokens>) {
        self.tokens.set(tokens);
    }

    /// Judges the value of an `authorization` header.
    pub fn check(&self, header: Option<&str>, need: Need) -> Result<(), Denial> {
        let tokens: Arc<Option<Tokens>> = self.tokens.get();
        let Some(tokens) = tokens.as_ref() else { return Ok(()) };
        if need == Need::Nothing {
            return Ok(());
        }
        let token = header.and_then(|header| {
            let (scheme, token) = header.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        tokens.check(token.ok_or(Denial::Missing)?, need)
    }
}

impl From<Denial> for Refusal {
    fn from(denial: Denial) -> Self {
        match denial {
            Denial::Missing | Denial::Unknown => Self::Unauthenticated,
            Denial::Scope => Self::Forbidden,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &str = "aaaaaaaaaaaaaaaaaaaa";
    const WRITE: &str = "bbbbbbbbbbbbbbbbbbbb";
    const READ: &str = "cccccccccccccccccccc";

    fn access() -> Access {
        let text = format!("# who\n{ALL}\nwrite:{WRITE} # the agents\n\nread:{READ}\n");
        Access::new(Some(Tokens::read_file(&text).unwrap()))
    }

    fn check(token: &str, need: Need) -> Result<(), Denial> {
        access().check(Some(&format!("Bearer {token}")), need)
    }

    #[test]
    fn a_token_may_do_what_its_scope_says_and_no_more() {
        assert_eq!([Need::Write, Need::Read, Need::Both].map(|need| check(ALL, need)), [Ok(()); 3]);
        assert_eq!(check(WRITE, Need::Write), Ok(()));
        assert_eq!([Need::Read, Need::Both].map(|need| check(WRITE, need)), [Err(Denial::Scope); 2]);
        assert_eq!(check(READ, Need::Read), Ok(()));
        assert_eq!([Need::Write, Need::Both].map(|need| check(READ, need)), [Err(Denial::Scope); 2]);
    }

    #[test]
    fn no_token_a_wrong_one_and_another_scheme_are_told_apart() {
        assert_eq!(access().check(None, Need::Read), Err(Denial::Missing));
        assert_eq!(access().check(Some("Basic xyz"), Need::Read), Err(Denial::Missing));
        assert_eq!(check("aaaaaaaaaaaaaaaaaaab", Need::Read), Err(Denial::Unknown));
        assert_eq!(check("", Need::Read), Err(Denial::Unknown));
        assert_eq!(access().check(Some(&format!("bearer  {ALL} ")), Need::Read), Ok(()));
        assert_eq!(access().check(None, Need::Nothing), Ok(()));
        assert_eq!(Access::open().check(None, Need::Both), Ok(()));
    }

    #[test]
    fn replaced_tokens_are_in_force_at_once() {
        let access = access();
        let other = access.clone();
        access.replace(Some(Tokens::read([WRITE].into_iter()).unwrap()));
        assert_eq!(other.check(Some(&format!("Bearer {ALL}")), Need::Write), Err(Denial::Unknown));
        assert_eq!(other.check(Some(&format!("Bearer {WRITE}")), Need::Both), Ok(()));
    }

    #[test]
    fn tokens_that_can_be_guessed_or_cannot_be_sent_are_refused() {
        assert_eq!(Tokens::read_file("short").unwrap_err(), TokenError::Short { number: 1 });
        let spaced = format!("{ALL}\nwrite:two words that are long");
        assert_eq!(Tokens::read_file(&spaced).unwrap_err(), TokenError::Characters { number: 2 });
        assert_eq!(Tokens::read_file("# none\n").unwrap_err(), TokenError::None);
    }
}
