//! Adds the samples of a run up to its totals, and repairs them by what the kernel kept.

use std::fs;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use opentelemetry::KeyValue;

use super::tree::{Sample, Traffic};

/// What a run took. Unknown is `None`, never 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Largest resident memory of the tree, bytes.
    pub peak_memory_bytes: Option<u64>,
    /// Mean resident memory over time, bytes.
    pub mean_memory_bytes: Option<u64>,
    /// CPU seconds, user and system.
    pub cpu_s: Option<f64>,
    /// Bytes fetched from storage.
    pub disk_read_bytes: Option<u64>,
    /// Bytes sent to storage.
    pub disk_write_bytes: Option<u64>,
    /// Bytes over the command's own network namespace.
    pub network: Option<Traffic>,
    /// Most threads at once, over the tree.
    pub threads_max: Option<u64>,
    /// Most processes at once.
    pub processes_max: Option<u64>,
    /// Readings taken.
    pub samples: u64,
    /// Time that the readings cost.
    pub sampling_cost: Duration,
}

/// What the kernel has on record for the ended children of this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ledger {
    cpu_s: Option<f64>,
    largest_process_bytes: Option<u64>,
    /// This process's own largest resident memory.
    own_bytes: Option<u64>,
    disk_read_bytes: Option<u64>,
    disk_write_bytes: Option<u64>,
}

impl Ledger {
    /// Reads the record as it stands.
    #[must_use]
    pub fn read() -> Self {
        let usage = getrusage(UsageWho::RUSAGE_CHILDREN).ok();
        let (disk_read_bytes, disk_write_bytes) = own_disk_bytes();
        Self {
            cpu_s: usage.as_ref().map(cpu_s),
            largest_process_bytes: usage.as_ref().and_then(max_rss_bytes),
            own_bytes: getrusage(UsageWho::RUSAGE_SELF).ok().as_ref().and_then(max_rss_bytes),
            disk_read_bytes,
            disk_write_bytes,
        }
    }
}

/// The largest resident memory of one process: macOS counts bytes, the others KiB.
fn max_rss_bytes(usage: &nix::sys::resource::Usage) -> Option<u64> {
    let unit: u64 = if cfg!(target_os = "macos") { 1 } else { 1024 };
    u64::try_from(usage.max_rss()).ok().map(|rss| rss.saturating_mul(unit))
}

/// `/proc/self/io` takes over the bytes of every child that was waited for (Linux, wait_task_zombie).
fn own_disk_bytes() -> (Option<u64>, Option<u64>) {
    let text = fs::read_to_string("/proc/self/io").unwrap_or_default();
    let figure = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    (figure("read_bytes:"), figure("write_bytes:"))
}

/// What this very process has taken so far: for pipelines that measure themselves.
#[derive(Clone, Copy, Debug)]
pub(super) struct OwnUsage {
    cpu_s: Option<f64>,
    disk_bytes: (Option<u64>, Option<u64>),
}

impl OwnUsage {
    pub(super) fn read() -> Self {
        let cpu = |who| getrusage(who).ok().map(|usage| cpu_s(&usage));
        let own = cpu(UsageWho::RUSAGE_SELF);
        Self { cpu_s: own.zip(cpu(UsageWho::RUSAGE_CHILDREN)).map(|(a, b)| a + b), disk_bytes: own_disk_bytes() }
    }

    /// What was taken since, ended children included. The peak is the process's, since it began.
    pub(super) fn until_now(&self) -> Vec<KeyValue> {
        let now = Self::read();
        let grown = |then: Option<u64>, now: Option<u64>| Some(now?.saturating_sub(then?));
        let peak = getrusage(UsageWho::RUSAGE_SELF).ok().as_ref().and_then(max_rss_bytes);
        let count = |key, value: Option<u64>| Some(KeyValue::new(key, i64::try_from(value?).ok()?));
        let cpu = now.cpu_s.zip(self.cpu_s).map(|(now, then)| KeyValue::new("perfline.cpu_s", now - then));
        let facts = [
            cpu,
            count("perfline.peak_memory_bytes", peak),
            count("perfline.disk_read_bytes", grown(self.disk_bytes.0, now.disk_bytes.0)),
            count("perfline.disk_write_bytes", grown(self.disk_bytes.1, now.disk_bytes.1)),
        ];
        facts.into_iter().flatten().collect()
    }
}

/// User and system time, seconds.
fn cpu_s(usage: &nix::sys::resource::Usage) -> f64 {
    (usage.user_time().num_microseconds() + usage.system_time().num_microseconds()) as f64 / 1e6
}

/// Takes the samples of one run as they come.
#[derive(Debug, Default)]
pub struct UsageMeter {
    usage: Usage,
    last: Option<(Duration, u64)>,
    memory_area: f64,
}

impl UsageMeter {
    /// Takes one sample, read `since_start` after the command began.
    #[allow(clippy::cast_possible_truncation, reason = "a mean of byte counts is a byte count")]
    pub fn push(&mut self, sample: &Sample, since_start: Duration) {
        let usage = &mut self.usage;
        usage.samples += 1;
        usage.sampling_cost += sample.cost;
        usage.peak_memory_bytes = usage.peak_memory_bytes.max(Some(sample.memory_bytes));
        usage.threads_max = usage.threads_max.max(Some(sample.threads));
        usage.processes_max = usage.processes_max.max(Some(sample.processes));
        usage.cpu_s = Some(usage.cpu_s.unwrap_or(0.0).max(sample.cpu_s));
        usage.disk_read_bytes = usage.disk_read_bytes.max(sample.disk_read_bytes);
        usage.disk_write_bytes = usage.disk_write_bytes.max(sample.disk_write_bytes);
        usage.network = sample.network.or(usage.network);
        if let Some((then, memory_bytes)) = self.last {
            let seconds = since_start.saturating_sub(then).as_secs_f64();
            self.memory_area += (memory_bytes as f64 + sample.memory_bytes as f64) / 2.0 * seconds;
            let covered = since_start.as_secs_f64();
            usage.mean_memory_bytes = (covered > 0.0).then(|| (self.memory_area / covered).round() as u64);
        } else {
            // Before the first reading the level is taken to be what it shows.
            self.memory_area = sample.memory_bytes as f64 * since_start.as_secs_f64();
            usage.mean_memory_bytes = Some(sample.memory_bytes);
        }
        self.last = Some((since_start, sample.memory_bytes));
    }

    /// The totals. `before` was read before the command began, `after` once it was waited for.
    #[must_use]
    pub fn finish(self, before: &Ledger, after: &Ledger) -> Usage {
        let mut usage = self.usage;
        if let (Some(then), Some(now)) = (before.cpu_s, after.cpu_s) {
            usage.cpu_s = Some(usage.cpu_s.unwrap_or(0.0).max(now - then));
        }
        // The record is a maximum since this process began: it speaks of the command only where it grew. And
        // a child inherits ours when it starts (Linux, begin_new_exec), so that up to our own size it says nothing.
        if after.largest_process_bytes > before.largest_process_bytes.max(after.own_bytes) {
            usage.peak_memory_bytes = usage.peak_memory_bytes.max(after.largest_process_bytes);
        }
        let grown = |then: Option<u64>, now: Option<u64>| Some(now?.saturating_sub(then?));
        usage.disk_read_bytes = usage.disk_read_bytes.max(grown(before.disk_read_bytes, after.disk_read_bytes));
        usage.disk_write_bytes = usage.disk_write_bytes.max(grown(before.disk_write_bytes, after.disk_write_bytes));
        usage
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(memory_bytes: u64, cpu_s: f64) -> Sample {
        Sample { processes: 1, threads: 2, memory_bytes, cpu_s, ..Sample::default() }
    }

    #[test]
    fn the_mean_is_weighted_by_time_not_by_readings() {
        let mut meter = UsageMeter::default();
        meter.push(&sample(100, 0.0), Duration::ZERO);
        meter.push(&sample(100, 0.0), Duration::from_secs(1));
        meter.push(&sample(300, 1.0), Duration::from_secs(2));
        meter.push(&sample(300, 2.0), Duration::from_secs(10));
        let usage = meter.finish(&Ledger::default(), &Ledger::default());
        assert_eq!(usage.mean_memory_bytes, Some(270)); // (100 x 1 + 200 x 1 + 300 x 8) / 10
        assert_eq!(usage.peak_memory_bytes, Some(300));
        assert_eq!(usage.cpu_s, Some(2.0));
        assert_eq!(usage.disk_read_bytes, None, "unknown stays unknown");
    }

    #[test]
    fn the_record_of_the_kernel_raises_what_sampling_missed() {
        let before =
            Ledger { cpu_s: Some(5.0), largest_process_bytes: Some(10), disk_read_bytes: Some(7), ..Ledger::default() };
        let after = Ledger {
            cpu_s: Some(9.0),
            largest_process_bytes: Some(5000),
            own_bytes: Some(400),
            disk_read_bytes: Some(9),
            disk_write_bytes: Some(3),
        };
        let usage = UsageMeter::default().finish(&before, &after);
        assert_eq!((usage.cpu_s, usage.peak_memory_bytes), (Some(4.0), Some(5000)));
        assert_eq!((usage.disk_read_bytes, usage.disk_write_bytes), (Some(2), None));
    }

    #[test]
    fn an_unchanged_record_says_nothing_about_this_command() {
        let record = Ledger { largest_process_bytes: Some(5000), ..Ledger::default() };
        assert_eq!(UsageMeter::default().finish(&record, &record).peak_memory_bytes, None);
    }

    #[test]
    fn a_record_below_our_own_size_is_ours_not_the_commands() {
        let after = Ledger { largest_process_bytes: Some(5000), own_bytes: Some(6000), ..Ledger::default() };
        assert_eq!(UsageMeter::default().finish(&Ledger::default(), &after).peak_memory_bytes, None);
    }
}
