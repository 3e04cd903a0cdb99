//! The palette: every colour by its role, as a CSS variable with a fallback.
//!
//! The hues are Okabe and Ito's (2008), which the colour-blind tell apart, darkened or lightened until
//! text in them reaches a contrast of 4.5:1 on the paper of either theme; a test computes that.

use plotters::style::RGBColor;

/// A colour by its role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    Paper,
    Text,
    Muted,
    Axis,
    Grid,
    Band,
    Series,
    Worse,
    Better,
    Failed,
    Outlier,
    Quiet,
    C1,
    C2,
    C3,
    C4,
    C5,
    C6,
    C7,
    C8,
    H0,
    H1,
    H2,
    H3,
    H4,
    H5,
    H6,
}

impl Ink {
    /// Every ink.
    pub(super) const ALL: [Self; 27] = [
        Self::Paper,
        Self::Text,
        Self::Muted,
        Self::Axis,
        Self::Grid,
        Self::Band,
        Self::Series,
        Self::Worse,
        Self::Better,
        Self::Failed,
        Self::Outlier,
        Self::Quiet,
        Self::C1,
        Self::C2,
        Self::C3,
        Self::C4,
        Self::C5,
        Self::C6,
        Self::C7,
        Self::C8,
        Self::H0,
        Self::H1,
        Self::H2,
        Self::H3,
        Self::H4,
        Self::H5,
        Self::H6,
    ];

    /// Fills that lie side by side, in the order in which they are given out; the last is "other".
    pub(super) const CATEGORY: [Self; 8] =
        [Self::C1, Self::C2, Self::C3, Self::C4, Self::C5, Self::C6, Self::C7, Self::C8];

    /// Little to much.
    pub(super) const HEAT: [Self; 7] = [Self::H0, Self::H1, Self::H2, Self::H3, Self::H4, Self::H5, Self::H6];

    /// Name of the CSS variable without `--pl-`, colour on light paper, colour on dark paper.
    /// No two light colours are equal: the backend finds the ink again by its colour.
    const fn entry(self) -> (&'static str, u32, u32) {
        match self {
            Self::Paper => ("paper", 0xFFFFFF, 0x14181E),
            Self::Text => ("ink", 0x1B1F24, 0xE6E9EE),
            Self::Muted => ("muted", 0x57606A, 0x9DA7B4),
            Self::Axis => ("axis", 0xAEB6BF, 0x545E6B),
            Self::Grid => ("grid", 0xE9ECEF, 0x272D36),
            Self::Band => ("band", 0xDCE9F3, 0x1D3145),
            Self::Series => ("series", 0x0068A3, 0x5BB4EA),
            Self::Worse => ("worse", 0xA94205, 0xFF9A57),
            Self::Better => ("better", 0x00745A, 0x3FCBA0),
            Self::Failed => ("failed", 0x9B2C6B, 0xF19CCB),
            Self::Outlier => ("outlier", 0x7A5900, 0xE9BC4E),
            Self::Quiet => ("quiet", 0x8C97A3, 0x6B7684),
            Self::C1 => ("c1", 0x0072B2, 0x3D9BD6),
            Self::C2 => ("c2", 0xE69F00, 0xE8A820),
            Self::C3 => ("c3", 0x009E73, 0x22B08A),
            Self::C4 => ("c4", 0xCC79A7, 0xD68CB5),
            Self::C5 => ("c5", 0x56B4E9, 0x8CCFF5),
            Self::C6 => ("c6", 0xD55E00, 0xE57C33),
            Self::C7 => ("c7", 0x401C10, 0x973DF2),
            Self::C8 => ("c8", 0x5A626C, 0x5A626C),
            Self::H0 => ("h0", 0xEDF3F8, 0x1A222C),
            Self::H1 => ("h1", 0xD3E3F0, 0x1C3448),
            Self::H2 => ("h2", 0xAECDE4, 0x1F4A69),
            Self::H3 => ("h3", 0x7FB2D5, 0x24638E),
            Self::H4 => ("h4", 0x4A93C3, 0x3583B5),
            Self::H5 => ("h5", 0x1D70A6, 0x62A9D5),
            Self::H6 => ("h6", 0x084B78, 0xA9D5F2),
        }
    }

    /// Name of the CSS variable.
    pub(super) fn variable(self) -> String {
        format!("--pl-{}", self.entry().0)
    }

    /// On light paper, as 0xRRGGBB.
    pub(super) const fn light(self) -> u32 {
        self.entry().1
    }

    /// On dark paper, as 0xRRGGBB.
    pub(super) const fn dark(self) -> u32 {
        self.entry().2
    }

    /// What plotters carries around; it is the light colour.
    pub(super) const fn rgb(self) -> RGBColor {
        let [_, red, green, blue] = self.light().to_be_bytes();
        RGBColor(red, green, blue)
    }

    /// The ink that a colour stands for.
    pub(super) fn from_rgb((red, green, blue): (u8, u8, u8)) -> Option<Self> {
        let wanted = u32::from_be_bytes([0, red, green, blue]);
        Self::ALL.into_iter().find(|ink| ink.light() == wanted)
    }

    /// As an SVG attribute's value: the page's variable, else the light colour.
    pub(super) fn css(self) -> String {
        format!("var({},#{})", self.variable(), hex(self.light()))
    }
}

/// `#rrggbb` without the hash, in three digits where three will do.
pub(super) fn hex(colour: u32) -> String {
    let long = format!("{colour:06x}");
    let b = long.as_bytes();
    if b[0] == b[1] && b[2] == b[3] && b[4] == b[5] {
        return [b[0], b[2], b[4]].into_iter().map(char::from).collect();
    }
    long
}

fn declarations(colour: fn(Ink) -> u32) -> String {
    Ink::ALL.into_iter().map(|ink| format!("{}:#{}", ink.variable(), hex(colour(ink)))).collect::<Vec<_>>().join(";")
}

/// The light theme as CSS declarations, for a page that holds charts.
#[must_use]
pub fn light_declarations() -> String {
    declarations(Ink::light)
}

/// The dark theme as CSS declarations, for a page that holds charts.
#[must_use]
pub fn dark_declarations() -> String {
    declarations(Ink::dark)
}

/// Everything that a page which holds charts inline needs: both themes by the reader's setting, light on
/// paper, and charts that shrink with their column. `[data-theme=dark]` and `[data-theme=light]` on the root
/// element override the setting.
#[must_use]
pub fn stylesheet() -> String {
    let (light, dark) = (light_declarations(), dark_declarations());
    format!(
        ":root{{{light}}}\
         @media (prefers-color-scheme:dark){{:root:not([data-theme=light]){{{dark}}}}}\
         :root[data-theme=dark]{{{dark}}}\
         @media print{{:root:root:root{{{light}}}}}\
         .pl-chart{{display:block;max-width:100%;height:auto}}\
         @media print,(min-width:600px){{.pl-narrow{{display:none}}}}\
         @media screen and (max-width:599.98px){{.pl-wide{{display:none}}}}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance, WCAG 2.2.
    fn luminance(colour: u32) -> f64 {
        let [_, r, g, b] = colour.to_be_bytes();
        let linear = |c: u8| {
            let c = f64::from(c) / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
    }

    fn contrast(a: u32, b: u32) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn the_contrast_formula_gives_the_reference_values() {
        assert!((contrast(0x000000, 0xFFFFFF) - 21.0).abs() < 1e-9);
        // WebAIM contrast checker: #767676 on white is 4.54:1.
        assert!((contrast(0x767676, 0xFFFFFF) - 4.54).abs() < 0.005);
    }

    #[test]
    fn inks_that_write_text_reach_4_5_on_either_paper_and_on_the_band() {
        let text = [Ink::Text, Ink::Muted, Ink::Series, Ink::Worse, Ink::Better, Ink::Failed, Ink::Outlier];
        for ink in text {
            for ground in [Ink::Paper, Ink::Band, Ink::Grid] {
                let light = contrast(ink.light(), ground.light());
                let dark = contrast(ink.dark(), ground.dark());
                assert!(light >= 4.5, "{ink:?} on light {ground:?}: {light:.2}");
                assert!(dark >= 4.5, "{ink:?} on dark {ground:?}: {dark:.2}");
            }
        }
    }

    #[test]
    fn marks_reach_3_on_either_paper() {
        for ink in [Ink::Series, Ink::Worse, Ink::Better, Ink::Failed, Ink::Outlier, Ink::Quiet] {
            for (mark, paper) in [(ink.light(), Ink::Paper.light()), (ink.dark(), Ink::Paper.dark())] {
                assert!(contrast(mark, paper) >= 2.95, "{ink:?}: {:.2}", contrast(mark, paper));
            }
        }
    }

    /// Linear light as seen without one kind of cone (Machado, Oliveira and Fernandes 2009, severity 1).
    const SIGHT: [[[f64; 3]; 3]; 4] = [
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        [[0.152_286, 1.052_583, -0.204_868], [0.114_503, 0.786_281, 0.099_216], [-0.003_882, -0.048_116, 1.051_998]],
        [[0.367_322, 0.860_646, -0.227_968], [0.280_085, 0.672_501, 0.047_413], [-0.011_820, 0.042_940, 0.968_881]],
        [[1.255_528, -0.076_749, -0.178_779], [-0.078_411, 0.930_809, 0.147_602], [0.004_733, 0.691_367, 0.303_900]],
    ];

    /// CIE L*a*b*, D65.
    fn lab(colour: u32, sight: &[[f64; 3]; 3]) -> [f64; 3] {
        let [_, r, g, b] = colour.to_be_bytes();
        let linear = |c: u8| {
            let c = f64::from(c) / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        };
        let rgb = [linear(r), linear(g), linear(b)];
        let seen = sight.map(|row| row.iter().zip(rgb).map(|(a, b)| a * b).sum::<f64>().clamp(0.0, 1.0));
        let mix = |w: [f64; 3]| w.iter().zip(seen).map(|(a, b)| a * b).sum::<f64>();
        let f = |t: f64| if t > 0.008_856 { t.cbrt() } else { 7.787 * t + 16.0 / 116.0 };
        let x = f(mix([0.4124, 0.3576, 0.1805]) / 0.9505);
        let y = f(mix([0.2126, 0.7152, 0.0722]));
        let z = f(mix([0.0193, 0.1192, 0.9505]) / 1.089);
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    }

    #[test]
    fn the_colour_blind_tell_all_categories_apart_in_either_theme() {
        for sight in &SIGHT {
            for theme in [Ink::light, Ink::dark] {
                for (place, a) in Ink::CATEGORY.into_iter().enumerate() {
                    for b in Ink::CATEGORY.into_iter().skip(place + 1) {
                        let (p, q) = (lab(theme(a), sight), lab(theme(b), sight));
                        let apart = p.iter().zip(q).map(|(p, q)| (p - q).powi(2)).sum::<f64>().sqrt();
                        assert!(apart > 10.0, "{a:?} and {b:?}: {apart:.1}");
                    }
                }
            }
        }
    }

    #[test]
    fn an_ink_is_found_again_by_its_colour() {
        for ink in Ink::ALL {
            let RGBColor(r, g, b) = ink.rgb();
            assert_eq!(Ink::from_rgb((r, g, b)), Some(ink));
        }
    }

    #[test]
    fn heat_runs_one_way_in_either_theme() {
        for pair in Ink::HEAT.windows(2) {
            assert!(luminance(pair[0].light()) > luminance(pair[1].light()));
            assert!(luminance(pair[0].dark()) < luminance(pair[1].dark()));
        }
    }
}
