//! One file per page: the bundle as the templates see it.

pub(super) mod alerts;
pub(super) mod comparison;
pub(super) mod executive;
pub(super) mod pipeline;
pub(super) mod slices;
pub(super) mod trends;
