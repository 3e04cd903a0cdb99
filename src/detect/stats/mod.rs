//! The statistics that detection rests on: pure functions over slices, each with reference values in its tests.

pub mod multiple;
pub mod normal;
pub mod rank;
pub mod rate;
pub mod robust;
pub mod trend;
