//! The scripts of `tests/e2e`, run against the built program: real SDKs, a real Prometheus, a real browser.
//!
//! Each is a program of its own: `python3 tests/e2e/sdk.py --binary target/release/perfline`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

#[test]
fn a_real_sdk_sends_over_grpc_and_http_and_every_command_answers_the_same() {
    run_script("sdk.py", &[]);
}

#[test]
fn the_sdk_of_node_sends_otlp_json() {
    run_script("node.py", &[]);
}

#[test]
fn a_real_prometheus_scrapes_the_metrics() {
    run_script("prometheus.py", &[]);
}

#[test]
fn every_page_of_a_report_stands_in_a_real_browser() {
    run_script("browser.py", &[]);
}

#[test]
fn nothing_acknowledged_is_lost_or_doubled_when_the_service_is_killed() {
    run_script("kill.py", &["--rounds", "20"]);
}

#[test]
fn nothing_acknowledged_is_lost_when_the_service_is_asked_to_end() {
    run_script("kill.py", &["--rounds", "4", "--signal", "term"]);
}

#[test]
fn nothing_acknowledged_is_lost_or_doubled_when_the_power_goes() {
    run_script("power.py", &["--rounds", "6", "--bulk-every", "100"]);
}

#[test]
fn a_disk_whose_syncs_do_nothing_is_found_out() {
    run_script("power.py", &["--lie", "fdatasync"]);
    run_script("power.py", &["--lie", "names"]);
}

#[test]
fn a_full_disk_and_failing_syncs_are_refused_and_recovered_from() {
    run_script("full.py", &["--rounds", "1"]);
}

#[test]
fn a_sync_that_covers_it_stands_before_each_acknowledgement() {
    run_script("syncs.py", &[]);
}

#[test]
fn what_is_sent_on_arrives_once_whoever_is_killed() {
    run_script("forward.py", &[]);
}

#[test]
fn every_damage_is_named_with_its_remedy() {
    run_script("damage.py", &[]);
}

#[test]
fn tls_and_tokens_let_in_who_may_and_rotate_without_a_restart() {
    run_script("secure.py", &[]);
}

#[test]
fn settings_come_by_file_environment_and_flag_and_change_at_sighup() {
    run_script("settings.py", &[]);
}

#[test]
fn hostile_names_are_harmless_in_every_output() {
    run_script("hostile.py", &[]);
}

#[test]
fn the_demo_finds_what_it_planted() {
    run_script("demo.py", &[]);
}

#[test]
fn the_documentation_names_what_exists() {
    run_script("docs.py", &[]);
}

#[test]
fn what_the_readme_offers_to_copy_works() {
    run_script("readme.py", &[]);
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e")
}

fn run_script(name: &str, arguments: &[&str]) {
    let (python, modules) = tools();
    let mut command = Command::new(python);
    command.arg(scripts().join(name)).args(["--binary", env!("CARGO_BIN_EXE_perfline")]).args(arguments);
    // Scripts must not leave compiled files beside their sources.
    command.env("PYTHONDONTWRITEBYTECODE", "1").env("PERFLINE_E2E_NODE_MODULES", modules);
    let output = finished(&mut command);
    // The test runner shows this only where it is asked to, or where the test fails.
    println!("{}", told(&output));
    assert!(output.status.success(), "tests/e2e/{name}: {}\n{}", output.status, told(&output));
}

/// The Python interpreter with the packages of `requirements.txt`, and the folder of the packages of
/// `package.json`. Made once under the target folder, again when either file changes; tests that start at the
/// same moment, in one process or in several, wait for one another.
fn tools() -> (PathBuf, PathBuf) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("e2e-tools");
    fs::create_dir_all(&folder).unwrap();
    let lock = File::create(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    let (python, modules) = (folder.join("venv/bin/python"), folder.join("node/node_modules"));
    let read = |name: &str| fs::read_to_string(scripts().join(name)).unwrap();
    let wanted = read("requirements.txt") + &read("package.json");
    let made = folder.join("made-from");
    if fs::read_to_string(&made).unwrap_or_default() != wanted {
        make_tools(&folder);
        // Last, so that an interrupted try counts as none.
        fs::write(&made, wanted).unwrap();
    }
    (python, modules)
}

fn make_tools(folder: &Path) {
    let (venv, node) = (folder.join("venv"), folder.join("node"));
    for stale in [&venv, &node] {
        if stale.exists() {
            fs::remove_dir_all(stale).unwrap();
        }
    }
    must(Command::new("python3").args(["-m", "venv"]).arg(&venv), "apt-get install python3-venv");
    let requirements = scripts().join("requirements.txt");
    must(
        Command::new(venv.join("bin/python"))
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"])
            .arg(requirements),
        "is the Python package index reachable?",
    );
    fs::create_dir_all(&node).unwrap();
    fs::copy(scripts().join("package.json"), node.join("package.json")).unwrap();
    must(
        Command::new("npm")
            .args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--silent"])
            .current_dir(&node),
        "apt-get install nodejs npm; is the npm registry reachable?",
    );
}

fn must(command: &mut Command, remedy: &str) {
    let output = finished(command);
    assert!(output.status.success(), "{command:?}: {}\n{}\nhelp: {remedy}", output.status, told(&output));
}

fn finished(command: &mut Command) -> Output {
    command
        .output()
        .unwrap_or_else(|error| panic!("start {command:?}: {error}; see CONTRIBUTING.md for what the tests need"))
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}
