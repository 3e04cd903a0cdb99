//! tmp
use super::{Bundle, Kind};
use crate::store::{Store, StoreError};
/// tmp
pub fn build(_store: &Store, _kind: Kind, _pipeline: Option<&str>) -> Result<Bundle, StoreError> {
    Err(StoreError::Closed)
}
