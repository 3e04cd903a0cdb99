//! Prints the tables of `src/detect/confidence.rs`: (strength, share of real findings), from simulation.
#![allow(clippy::print_stdout, reason = "a program's answer goes to standard output")]

use perfline::detect::simulate::calibrate::{draw_gate_outcomes, draw_series_outcomes, fit_confidence};

fn main() {
    let print = |name: &str, table: Vec<(f64, f64)>| {
        println!("{name}");
        table.iter().for_each(|(strength, share)| println!("    ({strength:.3}, {share:.3}),"));
    };
    print("gate", fit_confidence(&draw_gate_outcomes(1, 12_000, 0.1), 150));
    let (online, whole) = draw_series_outcomes(1, 7_000, 0.1);
    print("online", fit_confidence(&online, 50));
    print("whole", fit_confidence(&whole, 50));
}
