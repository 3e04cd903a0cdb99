//! Noise of known kind, for simulations: level 100, no change in it unless asked for.

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand_distr::{Distribution, StandardNormal, StandardUniform};

/// A seeded source of draws. The same seed gives the same draws on every machine.
#[derive(Debug)]
pub struct Draws(StdRng);

impl Draws {
    /// Seeds it; `stream` keeps independent uses of one seed apart.
    #[must_use]
    pub fn new(seed: u64, stream: u64) -> Self {
        Self(StdRng::seed_from_u64(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(stream)))
    }

    /// Standard normal.
    pub fn normal(&mut self) -> f64 {
        StandardNormal.sample(&mut self.0)
    }

    /// Uniform on [0, 1).
    pub fn uniform(&mut self) -> f64 {
        StandardUniform.sample(&mut self.0)
    }
}

/// Kinds of noise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Noise {
    /// Normal with this coefficient of variation.
    Normal(f64),
    /// Log-normal with this coefficient of variation.
    LogNormal(f64),
    /// Student's t with 3 degrees of freedom, scaled to this coefficient of variation.
    HeavyTailed(f64),
    /// Two kinds of machine, 12 % apart, 40 % of the runs on the slower.
    Bimodal,
    /// 3 % of the runs take 1.5 to 4 times as long.
    Spiky,
    /// Whole numbers about 12.
    Ticks,
    /// Spread 6 % and 2 % by turns of 40 values.
    Heteroscedastic,
    /// A weekly wave of 8 %.
    Weekly,
    /// First-order autoregression with this correlation, coefficient of variation 5 %.
    Autoregressive(f64),
}

impl Noise {
    /// Those without change that the online detector is judged on.
    pub const ONLINE: [(&'static str, Self); 10] = [
        ("normal", Self::Normal(0.05)),
        ("lognormal .2", Self::LogNormal(0.2)),
        ("t3", Self::HeavyTailed(0.05)),
        ("bimodal", Self::Bimodal),
        ("spiky", Self::Spiky),
        ("ticks", Self::Ticks),
        ("heteroscedastic", Self::Heteroscedastic),
        ("weekly", Self::Weekly),
        ("AR .3", Self::Autoregressive(0.3)),
        ("AR .5", Self::Autoregressive(0.5)),
    ];

    /// Those that the gate is judged on.
    pub const GATE: [(&'static str, Self); 8] = [
        ("lognormal .1", Self::LogNormal(0.1)),
        ("lognormal .3", Self::LogNormal(0.3)),
        ("lognormal .5", Self::LogNormal(0.5)),
        ("lognormal .8", Self::LogNormal(0.8)),
        ("t3", Self::HeavyTailed(0.05)),
        ("spiky", Self::Spiky),
        ("bimodal", Self::Bimodal),
        ("AR .3", Self::Autoregressive(0.3)),
    ];

    /// Draws `count` values.
    pub fn draw(self, count: usize, draws: &mut Draws) -> Vec<f64> {
        if let Self::Autoregressive(rho) = self {
            let mut state = draws.normal();
            return (0..count)
                .map(|_| {
                    state = rho * state + (1.0 - rho * rho).sqrt() * draws.normal();
                    100.0 * (1.0 + 0.05 * state)
                })
                .collect();
        }
        (0..count).map(|place| self.draw_one(place, draws)).collect()
    }

    fn draw_one(self, place: usize, draws: &mut Draws) -> f64 {
        let z = draws.normal();
        match self {
            Self::Normal(cv) => 100.0 * (1.0 + cv * z),
            Self::LogNormal(cv) => {
                let sigma = (1.0 + cv * cv).ln().sqrt();
                100.0 * (sigma * z - sigma * sigma / 2.0).exp()
            }
            Self::HeavyTailed(cv) => {
                let power: f64 = (0..3).map(|_| draws.normal().powi(2)).sum();
                (100.0 * (1.0 + cv * z / (power / 3.0).sqrt() / 3.0_f64.sqrt())).max(5.0)
            }
            Self::Bimodal => 100.0 * (1.0 + 0.02 * z) * if draws.uniform() < 0.4 { 1.12 } else { 1.0 },
            Self::Spiky => {
                let base = 100.0 * (1.0 + 0.03 * z);
                if draws.uniform() < 0.03 { base * (1.5 + 2.5 * draws.uniform()) } else { base }
            }
            Self::Ticks => (12.0 + z).round(),
            Self::Heteroscedastic => 100.0 * (1.0 + if place / 40 % 2 == 1 { 0.02 } else { 0.06 } * z),
            Self::Weekly => 100.0 * (1.0 + 0.08 * (2.0 * std::f64::consts::PI * place as f64 / 7.0).sin() + 0.02 * z),
            Self::Autoregressive(_) => 100.0 * (1.0 + 0.05 * z),
        }
    }

    /// Correlation of neighbouring values.
    #[must_use]
    pub fn correlation(self) -> f64 {
        if let Self::Autoregressive(rho) = self { rho } else { 0.0 }
    }

    /// Standard deviation of the logarithm of a value, as the z-test that knows it would use it.
    #[must_use]
    pub fn log_sigma(self) -> f64 {
        match self {
            Self::Normal(cv) | Self::HeavyTailed(cv) => cv,
            Self::LogNormal(cv) => (1.0 + cv * cv).ln().sqrt(),
            // sqrt(.02^2 + (.12^2 x .4 x .6)) near a level of 1.05; spikes have variance of their own.
            Self::Bimodal => 0.059,
            Self::Spiky => 0.17,
            Self::Ticks => 0.087,
            Self::Heteroscedastic => 0.045,
            Self::Weekly => 0.06,
            Self::Autoregressive(_) => 0.05,
        }
    }
}
