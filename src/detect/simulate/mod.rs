//! Simulations that state the error rates of the detector and the gate.

pub mod calibrate;
pub mod gate;
pub mod noise;
pub mod online;
mod parallel;
