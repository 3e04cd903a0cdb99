//! Processes under measurement: their CPU time and memory, and a perfline of our own.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, kill};
use nix::sys::time::TimeValLike;
use nix::unistd::Pid;

use crate::cli::Failure;

/// Linux counts CPU time for programs in hundredths of a second.
const TICKS_PER_SECOND: f64 = 100.0;
/// A process is idle that used less than this within a poll, CPU seconds.
const IDLE_CPU_S: f64 = 0.02;
/// Idle for so long is done.
const IDLE: Duration = Duration::from_secs(2);
/// Longest wait for a process to become idle.
const IDLE_WAIT_MAX: Duration = Duration::from_secs(60);

/// CPU seconds that a process used so far, in user and kernel mode.
pub(super) fn cpu_s(pid: i32) -> Result<f64, Failure> {
    let path = format!("/proc/{pid}/stat");
    let text = std::fs::read_to_string(&path).map_err(|e| Failure::machine(&format!("read `{path}`"), &e))?;
    // The name in the second field may hold spaces and brackets; what follows the last bracket does not.
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    Ok((ticks(11) + ticks(12)) / TICKS_PER_SECOND)
}

/// Resident memory of a process, bytes; 0 where it is gone.
pub(super) fn memory_bytes(pid: i32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// Waits until a process does nothing any more.
pub(super) fn wait_until_idle(pid: i32) -> Result<(), Failure> {
    let began = Instant::now();
    let (mut last, mut since) = (cpu_s(pid)?, Instant::now());
    while since.elapsed() < IDLE && began.elapsed() < IDLE_WAIT_MAX {
        std::thread::sleep(Duration::from_millis(200));
        let now = cpu_s(pid)?;
        if now - last > IDLE_CPU_S {
            (last, since) = (now, Instant::now());
        }
    }
    Ok(())
}

/// A `perfline serve` of this very program; killed when dropped.
pub(super) struct Served {
    child: Child,
    /// Its OTLP/HTTP address, as a URL.
    pub(super) url: String,
}

impl Served {
    /// Starts it over a new store, on free ports, and waits until it listens.
    pub(super) fn start(store: &Path) -> Result<Self, Failure> {
        let program = std::env::current_exe().map_err(|e| Failure::machine("find this program", &e))?;
        let mut child = Command::new(program)
            .args(["serve", "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0", "--store"])
            .arg(store)
            .env("PERFLINE_LOG", "error")
            .env_remove("PERFLINE_CONFIG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| Failure::machine("start `perfline serve`", &e))?;
        let mut lines = child.stdout.take().map(|out| BufReader::new(out).lines());
        let address = lines.as_mut().and_then(|lines| {
            lines.by_ref().take(2).filter_map(Result::ok).find_map(|line| Some(line.strip_prefix("http ")?.to_owned()))
        });
        let served = Self { child, url: format!("http://{}", address.clone().unwrap_or_default()) };
        match address {
            Some(_) => Ok(served),
            None => Err(Failure::usage(
                "`perfline serve` did not start",
                "start it by hand to see why: perfline serve --grpc 127.0.0.1:0 --http 127.0.0.1:0",
            )),
        }
    }

    pub(super) fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// Ends it as an operator would, and waits. CPU seconds of all its life.
    pub(super) fn stop(mut self) -> Result<f64, Failure> {
        let before = children_cpu_s();
        kill(Pid::from_raw(self.pid()), Signal::SIGTERM).map_err(|e| Failure::machine("stop `perfline serve`", &e))?;
        let ended = self.child.wait().map_err(|e| Failure::machine("wait for `perfline serve`", &e))?;
        if !ended.success() {
            return Err(Failure::usage(format!("`perfline serve` ended with {ended}"), "see what it said above"));
        }
        Ok(children_cpu_s() - before)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It has ended already where all went well.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// CPU seconds of children that have ended.
fn children_cpu_s() -> f64 {
    getrusage(UsageWho::RUSAGE_CHILDREN).map_or(0.0, |usage| {
        #[expect(clippy::cast_precision_loss, reason = "microseconds of a benchmark fit")]
        let microseconds = (usage.user_time().num_microseconds() + usage.system_time().num_microseconds()) as f64;
        microseconds / 1e6
    })
}
