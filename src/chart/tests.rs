//! What holds for every chart, whatever it is fed.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::Value;

use super::forecast::{Ahead, Forecast, Limit, Past};
use super::frame::Frame;
use super::timeline::{Level, Point, PointMark, Timeline};
use super::{ChartError, Spec, Unit, gallery, render, render_inline, render_phone, render_responsive, stylesheet};
use crate::model::metric::{Better, Metric};

/// Fails where markup is not well-formed XML of the plain kind that we write. Gives every id.
fn ids_of_well_formed(svg: &str) -> BTreeSet<String> {
    let mut open: Vec<&str> = Vec::new();
    let mut ids = BTreeSet::new();
    let mut rest = svg;
    while let Some(start) = rest.find('<') {
        assert!(!rest[..start].contains('>'), "stray >: {:.80}", rest);
        assert!(rest[..start].split('&').skip(1).all(is_entity), "bare &: {:.80}", rest);
        let end = start + rest[start..].find('>').expect("a tag ends");
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name));
            continue;
        }
        let (body, empty) = tag.strip_suffix('/').map_or((tag, false), |body| (body, true));
        let name = body.split([' ', '\n']).next().unwrap();
        assert_eq!(body.matches('"').count() % 2, 0, "{body}");
        for (place, part) in body.split('"').enumerate() {
            assert!(
                place % 2 == 1 || part.chars().all(|ch| ch.is_ascii_alphanumeric() || " =:-\n".contains(ch)),
                "{body}"
            );
        }
        assert!(
            ["svg", "g", "title", "desc", "style", "rect", "path", "circle", "text"].contains(&name),
            "element {name}"
        );
        assert!(!body.contains(" on") && !body.contains("href"), "{body}");
        if let Some((_, id)) = body.split_once(" id=\"") {
            let id = id.split('"').next().unwrap().to_owned();
            assert!(ids.insert(id), "an id twice: {body}");
        }
        if !empty {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "left open: {open:?}");
    let hidden =
        |ch: char| (ch.is_control() && ch != '\n') || matches!(ch, '\u{202A}'..='\u{202E}' | '\u{FFFE}' | '\u{FFFF}');
    assert!(!svg.contains(hidden), "control or override characters");
    ids
}

fn is_entity(after: &str) -> bool {
    ["amp;", "lt;", "gt;", "quot;", "#39;"].iter().any(|entity| after.starts_with(entity))
}

#[test]
fn every_chart_is_well_formed_named_and_the_same_twice() {
    for (name, spec) in gallery::specs() {
        let svg = render(&spec).unwrap();
        assert_eq!(svg, render(&spec).unwrap(), "{name}");
        let ids = ids_of_well_formed(&svg);
        assert_eq!(
            ids,
            BTreeSet::from([format!("{name}-t"), format!("{name}-d")]),
            "every id begins with the caller's"
        );
        assert!(svg.contains("role=\"img\""), "{name}");
        let inline = render_inline(&spec).unwrap();
        assert_eq!(ids_of_well_formed(&inline), ids);
        assert!(!inline.contains("<style>") && !inline.contains("xmlns"), "{name}");
    }
}

#[test]
fn a_chart_for_a_phone_shows_the_same_without_tooltips_in_fewer_bytes() {
    for (name, spec) in gallery::specs() {
        let (inline, phone) = (render_inline(&spec).unwrap(), render_phone(&spec).unwrap());
        assert_eq!(ids_of_well_formed(&phone), ids_of_well_formed(&inline), "{name}");
        assert!(!phone.contains("<title>") && phone.len() <= inline.len(), "{name}");
        assert_eq!(phone.matches("<text").count(), inline.matches("<text").count(), "{name}");
    }
}

#[test]
fn a_responsive_chart_is_two_with_ids_of_their_own() {
    for (name, spec) in gallery::specs() {
        let both = render_responsive(&spec).unwrap();
        let ids = ids_of_well_formed(&both);
        assert!(ids.contains(&format!("{name}-t")), "{name}");
        let narrow = both.contains("pl-narrow");
        assert_eq!(narrow, spec.frame().width > 480, "{name}");
        assert_eq!(ids.len(), if narrow { 4 } else { 2 }, "{name}");
    }
}

#[test]
fn a_spec_survives_json() {
    for (name, spec) in gallery::specs() {
        let text = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<Spec>(&text).unwrap(), spec, "{name}");
    }
}

#[test]
fn text_stays_inside_the_paper() {
    for (name, spec) in gallery::specs() {
        let width = f64::from(spec.frame().width);
        for (x, end) in extents(&render(&spec).unwrap()) {
            assert!(x >= -1.0 && end <= width + 1.0, "{name}: text from {x:.1} to {end:.1} of {width}");
        }
    }
}

/// Left and right end of every text, by the width table.
fn extents(svg: &str) -> Vec<(f64, f64)> {
    let attribute = |tag: &str, name: &str| -> Option<String> {
        let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
        rest.split_once('"').map(|(value, _)| value.to_owned())
    };
    let texts = svg.split("<text").skip(1).map(|rest| rest.split("</text>").next().unwrap());
    texts
        .map(|text| {
            let (tag, words) = text.split_once('>').unwrap();
            let words = words
                .replace("&lt;", "<")
                .replace("&gt;", ">")
                .replace("&quot;", "\"")
                .replace("&#39;", "'")
                .replace("&amp;", "&");
            let size = attribute(tag, "font-size").unwrap().parse().unwrap();
            let wide = super::text::Face { size, bold: tag.contains("font-weight") }.width(&words);
            let x: f64 = attribute(tag, "x").unwrap().parse().unwrap();
            match attribute(tag, "text-anchor").as_deref() {
                Some("middle") => (x - wide / 2.0, x + wide / 2.0),
                Some("end") => (x - wide, x),
                _ => (x, x + wide),
            }
        })
        .collect()
}

fn timeline(points: Vec<Point>) -> Timeline {
    Timeline { points, ..Timeline::new(Frame::new("t"), "build", Metric::Duration) }
}

fn point(time: i64, value: f64) -> Point {
    Point { time, value: Some(value), run: String::new(), mark: PointMark::Ok }
}

#[test]
fn a_hundred_thousand_runs_fit_into_a_small_file_and_keep_their_spike() {
    let mut points: Vec<Point> =
        (0..100_000i64).map(|n| point(n * 946_000_000_000, 60.0 + (n * 7919 % 1009) as f64 / 100.0)).collect();
    points[61_803].value = Some(75.0);
    let svg = render_inline(&Spec::Timeline(timeline(points.clone()))).unwrap();
    assert!(svg.len() < 40_000, "{} bytes", svg.len());
    points[61_803].value = Some(60.0);
    assert_ne!(svg, render_inline(&Spec::Timeline(timeline(points))).unwrap(), "one run in 100,000 is seen");
}

/// A fan of three points that rises from 10 to 20, its outer ends 2 away.
fn fan(limit: f64, better: Option<Better>) -> Forecast {
    let day = 86_400_000_000_000_i64;
    let ahead = |at: i64| {
        let middle = 10.0 + 5.0 * at as f64;
        let (low_95, high_95) = (middle - 2.0, middle + 2.0);
        Ahead { time: (10 + at) * day, middle, low_50: middle - 1.0, high_50: middle + 1.0, low_95, high_95 }
    };
    Forecast {
        frame: Frame::new("fan"),
        subject: "p".to_owned(),
        quantity: "memory".to_owned(),
        unit: Unit::Score,
        history: (0..=10).map(|at| Past { time: at * day, value: 10.0 }).collect(),
        ahead: (0..3).map(ahead).collect(),
        limit: Some(Limit { value: limit, label: "limit".to_owned() }),
        better,
    }
}

#[test]
fn a_limit_is_met_between_the_points_of_a_fan() {
    let hours = |at: Option<i64>| at.map(|at| at / 3_600_000_000_000 - 240);
    let met = fan(16.0, Some(Better::Lower)).meeting();
    // 16 lies a fifth between 15 and 20; the ends reach it from 14 and 18.
    assert_eq!((hours(met.expected), hours(met.earliest), hours(met.latest)), (Some(28), Some(19), Some(38)));
    let far = fan(30.0, Some(Better::Lower)).meeting();
    assert_eq!((far.already, far.expected, far.earliest), (false, None, None));
    assert!(fan(9.0, Some(Better::Lower)).meeting().already, "a ceiling below where it stands");
    assert!(fan(11.0, Some(Better::Higher)).meeting().already, "a floor above where it stands");
    let title = render(&Spec::Forecast(fan(9.0, Some(Better::Lower)))).unwrap();
    assert!(title.contains("is beyond the limit of 9 already"), "{title}");
    let mut once = fan(16.0, Some(Better::Lower));
    once.history[3].value = 17.0;
    let said = render(&Spec::Forecast(once)).unwrap();
    assert!(
        said.contains("at or beyond the limit: 1 measured") && said.contains("1 value, last on 4 Jan 1970"),
        "{said}"
    );
}

#[test]
fn a_long_history_before_a_fan_keeps_its_spike_in_a_small_file() {
    let mut spec = fan(40.0, None);
    spec.history =
        (0..100_000_i64).map(|at| Past { time: at * 8_640_000_000, value: 10.0 + (at % 7) as f64 / 10.0 }).collect();
    spec.history[54_321].value = 39.0;
    let svg = render(&Spec::Forecast(spec.clone())).unwrap();
    spec.history[54_321].value = 10.0;
    let without = render(&Spec::Forecast(spec)).unwrap();
    assert!(svg.len() < 60_000, "{} bytes", svg.len());
    assert_ne!(svg, without, "the spike is drawn");
}

#[test]
fn an_absent_value_is_drawn_at_the_foot_and_said() {
    let mut points: Vec<Point> = (0..9).map(|n| point(n * 3_600_000_000_000, 60.0)).collect();
    points[4] = Point { time: points[4].time, value: None, run: "7".to_owned(), mark: PointMark::Failed };
    let svg = render(&Spec::Timeline(timeline(points))).unwrap();
    assert!(svg.contains("run 7 · no value") && svg.contains("failed (1)"));
}

#[test]
fn what_cannot_be_drawn_is_refused_with_a_reason() {
    let refused = |change: fn(&mut Timeline)| {
        let mut chart = timeline(vec![point(0, 1.0)]);
        change(&mut chart);
        render(&Spec::Timeline(chart)).unwrap_err()
    };
    assert_eq!(refused(|c| c.points.clear()), ChartError::Empty("timeline points"));
    assert!(matches!(refused(|c| c.points[0].value = Some(f64::NAN)), ChartError::Number { .. }));
    assert!(matches!(refused(|c| c.points[0].value = Some(f64::INFINITY)), ChartError::Number { .. }));
    assert!(matches!(
        refused(|c| c.levels.push(Level { from: 0, to: 0, value: 1.0, low: f64::NEG_INFINITY, high: 1.0 })),
        ChartError::Number { .. }
    ));
    for id in ["", "1a", "a b", "a\"onload=", "é", &"a".repeat(81)] {
        let mut chart = timeline(vec![point(0, 1.0)]);
        chart.frame.id = id.to_owned();
        assert!(matches!(render(&Spec::Timeline(chart)), Err(ChartError::Id(_))), "{id}");
    }
    assert_eq!(refused(|c| c.frame.width = 10), ChartError::Width(10));
    assert_eq!(refused(|c| c.frame.width = 90_000), ChartError::Width(90_000));
    let many = refused(|c| c.points = vec![c.points[0].clone(); super::timeline::POINTS_MAX + 1]);
    assert!(matches!(many, ChartError::TooMany { .. }));
}

#[test]
fn colours_are_variables_and_the_stylesheet_names_each() {
    let css = stylesheet();
    for (name, spec) in gallery::specs() {
        let svg = render_inline(&spec).unwrap();
        for used in svg.split("var(").skip(1) {
            let variable = used.split(')').next().unwrap();
            assert!(css.contains(&format!("{variable}:#")), "{name}: {variable}");
        }
        assert!(!svg.contains("=\"#") && !svg.contains("rgb("), "{name}: a colour outside the palette");
    }
}

/// Puts hostile values into a spec: each string, number and null may be replaced.
fn corrupt(value: &mut Value, dice: &mut impl Iterator<Item = u32>, texts: &[String], numbers: &[f64]) {
    let roll = dice.next().unwrap_or(0) as usize;
    match value {
        Value::Object(map) => {
            let kept = |name: &str| {
                ["chart", "id", "width", "height", "unit", "better", "mark", "time", "from", "to"].contains(&name)
            };
            map.iter_mut().filter(|(name, _)| !kept(name)).for_each(|(_, value)| corrupt(value, dice, texts, numbers));
        }
        Value::Array(list) => {
            list.iter_mut().for_each(|value| corrupt(value, dice, texts, numbers));
            if roll.is_multiple_of(17) {
                list.truncate(roll % 3);
            }
        }
        Value::String(text) if roll.is_multiple_of(3) && !texts.is_empty() => *text = texts[roll % texts.len()].clone(),
        Value::Number(_) if roll.is_multiple_of(4) && !numbers.is_empty() => {
            *value = numbers[roll % numbers.len()].into()
        }
        Value::Number(_) if roll.is_multiple_of(31) => *value = Value::Null,
        _ => {}
    }
}

const HOSTILE: [&str; 9] = [
    "<script>alert(1)</script>",
    "\"'><svg onload=alert(1)>",
    "]]>&amp;<!--",
    "\u{202E}gpj.exe\u{2066}",
    "../../../../etc/passwd\0",
    "בנייה ראשית",
    "\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}",
    "",
    "👩‍👩‍👧‍👦🏳️‍🌈",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    #[test]
    fn no_spec_panics_or_breaks_the_markup(
        dice in prop::collection::vec(any::<u32>(), 4000),
        text in "\\PC{0,40}",
        raw in prop::collection::vec(any::<char>(), 0..30),
        numbers in prop::collection::vec(prop_oneof![-1e15..1e15f64, -1.0..1e4f64, Just(0.0), Just(1e-300), any::<f64>()], 1..9),
        width in 240u32..1400,
    ) {
        let mut texts: Vec<String> = HOSTILE.iter().map(|text| (*text).to_owned()).collect();
        texts.extend([text, raw.into_iter().collect(), "W".repeat(10_000)]);
        let mut dice = dice.into_iter().cycle();
        // The three long specs would take most of the time and have short siblings.
        for (name, spec) in gallery::specs().into_iter().filter(|(name, _)| !name.contains("three-years") && !name.contains("many")) {
            let mut value = serde_json::to_value(&spec).unwrap();
            corrupt(&mut value, &mut dice, &texts, &numbers);
            value["width"] = width.into();
            let Ok(spec) = serde_json::from_value::<Spec>(value) else { continue };
            if let Ok(svg) = render(&spec) {
                ids_of_well_formed(&svg);
                prop_assert!(!svg.contains("NaN") && !svg.contains("inf\""), "{}", name);
                for (x, end) in extents(&svg) {
                    prop_assert!(x >= -1.0 && end <= f64::from(width) + 1.0, "{}: text from {} to {} of {}", name, x, end, width);
                }
            }
        }
    }
}
