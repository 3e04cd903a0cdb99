//! The program: parse, run, exit.

use std::process::ExitCode;

use clap::Parser;
use perfline::cli::{Cli, run};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    run(Cli::parse())
}
