//! How far a level moved.

/// A level before and after.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Size {
    /// Level before, in the metric's unit.
    pub before: f64,
    /// Level after.
    pub after: f64,
}

impl Size {
    /// (after - before) / |before| x 100; infinite from zero, 0 where nothing moved.
    #[must_use]
    pub fn change_percent(self) -> f64 {
        let difference = self.after - self.before;
        if difference == 0.0 { 0.0 } else { difference / self.before.abs() * 100.0 }
    }

    /// Points on a 0-to-100 scale. Scores up to 1 are taken as shares of one, larger ones as points.
    #[must_use]
    pub fn points(self) -> f64 {
        let scale = if self.before.abs().max(self.after.abs()) <= 1.0 { 100.0 } else { 1.0 };
        (self.after - self.before) * scale
    }
}
