//! Keeps names private: at the door, before anything is stored, names and attribute values become keyed
//! pseudonyms. The same name is always the same pseudonym, over restarts and machines that share the key.
//!
//! What stays readable: times, ids, numbers, attribute keys, and the words that the conventions compare with
//! (markers, outcomes, models, providers), so that runs are recognised as before.

mod key;
mod request;
mod text;
mod value;

use std::sync::Arc;

use bytes::Bytes;

pub use key::{Key, KeyError};

use super::conventions::Rules;
use super::sink::Accepted;

/// Turns requests into what may be shared.
#[derive(Clone, Debug)]
pub struct Veil {
    key: Key,
    rules: Arc<Rules>,
}

impl Veil {
    /// A veil with this key; `rules` say which words must stay.
    #[must_use]
    pub fn new(key: Key, rules: Arc<Rules>) -> Self {
        Self { key, rules }
    }

    /// The request with pseudonyms for names. Errors where it is no request: then nothing of it may be stored.
    pub fn cover(&self, request: Accepted) -> Result<Accepted, prost::DecodeError> {
        let body = request::cover(self, request.signal, &request.body)?;
        Ok(Accepted { body: Bytes::from(body), ..request })
    }
}
