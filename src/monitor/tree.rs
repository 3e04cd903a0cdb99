//! Samples a process and everything that it started.
//!
//! Only the tree is read, not every process of the machine: the cost follows the command, not the
//! host. A process once seen stays known when its parent dies before it.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// Most processes that are followed at once; a fork bomb must not take the sampler with it.
const PROCESSES_MAX: usize = 10_000;

/// One reading over the whole tree.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sample {
    /// Living processes.
    pub processes: u64,
    /// Their threads.
    pub threads: u64,
    /// Resident memory, bytes, summed: pages shared between processes count in each.
    pub memory_bytes: u64,
    /// User and system CPU seconds since the start, ended processes included.
    pub cpu_s: f64,
    /// Bytes fetched from storage since the start. `None` where the system does not say.
    pub disk_read_bytes: Option<u64>,
    /// Bytes sent to storage since the start.
    pub disk_write_bytes: Option<u64>,
    /// Bytes received and sent, only where the command has a network namespace of its own.
    pub network: Option<Traffic>,
    /// What taking this reading cost.
    pub cost: Duration,
}

/// Bytes over all interfaces of a network namespace but the loopback.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes received.
    pub receive_bytes: u64,
    /// Bytes sent.
    pub transmit_bytes: u64,
}

struct Known {
    start_time: u64,
    cpu_ms: u64,
}

/// Follows one process tree.
pub struct TreeSampler {
    root: Pid,
    adopts: bool,
    system: System,
    known: HashMap<Pid, Known>,
    ended_cpu_ms: u64,
    disk_read_bytes: u64,
    disk_write_bytes: u64,
    own_network: Option<PathBuf>,
}

impl TreeSampler {
    /// Follows `root`; with `adopts` all other children of this process as well: they lost their parent.
    /// `None` where this system gives no process figures.
    #[must_use]
    pub fn new(root: u32, adopts: bool) -> Option<Self> {
        Some(Self {
            root: Pid::from_u32(root),
            adopts,
            system: System::new().ok()?,
            known: HashMap::new(),
            ended_cpu_ms: 0,
            disk_read_bytes: 0,
            disk_write_bytes: 0,
            own_network: fs::read_link("/proc/self/ns/net").ok(),
        })
    }

    /// Reads the tree once. `None` when nothing of it lives any more.
    pub fn sample(&mut self) -> Option<Sample> {
        let begun = Instant::now();
        let (pids, threads) = self.find_processes();
        let refresh = ProcessRefreshKind::nothing().with_cpu().with_memory().with_disk_usage().without_tasks();
        self.system.refresh_processes_specifics(ProcessesToUpdate::Some(&pids), true, refresh);

        let mut sample = Sample { threads, ..Sample::default() };
        let (mut read, mut written) = (0, 0);
        let mut alive = HashSet::with_capacity(pids.len());
        for pid in pids {
            let Some(process) = self.system.process(pid) else { continue };
            let known = self.known.entry(pid).or_insert(Known { start_time: process.start_time(), cpu_ms: 0 });
            if known.start_time != process.start_time() {
                continue; // the number was given to a stranger
            }
            alive.insert(pid);
            known.cpu_ms = known.cpu_ms.max(process.accumulated_cpu_time());
            sample.processes += 1;
            sample.memory_bytes += process.memory();
            let disk = process.disk_usage();
            read += disk.total_read_bytes;
            written += disk.total_written_bytes;
        }
        self.forget_ended(&alive);
        if alive.is_empty() {
            return None;
        }
        let cpu_ms = self.ended_cpu_ms + self.known.values().map(|known| known.cpu_ms).sum::<u64>();
        sample.cpu_s = cpu_ms as f64 / 1e3;
        // The kernel adds a child's bytes to its parent when the parent waits for it, so that the sum over
        // the living is the total; it dips only between a child's end and that wait.
        self.disk_read_bytes = self.disk_read_bytes.max(read);
        self.disk_write_bytes = self.disk_write_bytes.max(written);
        sample.disk_read_bytes = Some(self.disk_read_bytes);
        sample.disk_write_bytes = Some(self.disk_write_bytes);
        sample.network = self.read_network();
        sample.cost = begun.elapsed();
        Some(sample)
    }

    fn forget_ended(&mut self, alive: &HashSet<Pid>) {
        let ended_cpu_ms = &mut self.ended_cpu_ms;
        self.known.retain(|pid, known| {
            let lives = alive.contains(pid);
            if !lives {
                *ended_cpu_ms += known.cpu_ms;
            }
            lives
        });
    }

    /// Every process of the tree, and how many threads they have together.
    fn find_processes(&mut self) -> (Vec<Pid>, u64) {
        let mut found: Vec<Pid> = Vec::with_capacity(self.known.len() + 1);
        let mut seen: HashSet<Pid> = HashSet::with_capacity(self.known.len() + 1);
        for pid in std::iter::once(self.root).chain(self.known.keys().copied()) {
            if seen.insert(pid) {
                found.push(pid);
            }
        }
        let mut add = |child: Pid, found: &mut Vec<Pid>| {
            if found.len() < PROCESSES_MAX && seen.insert(child) {
                found.push(child);
            }
        };
        if self.adopts {
            read_tasks("self", |child| add(child, &mut found));
        }
        let mut threads = 0;
        let mut next = 0;
        while let Some(pid) = found.get(next).copied() {
            next += 1;
            threads += read_tasks(&pid.to_string(), |child| add(child, &mut found));
        }
        if threads == 0 {
            // No /proc, or none with children: look at every process and follow the parents.
            return self.find_by_parents(found, seen);
        }
        (found, threads)
    }

    fn find_by_parents(&mut self, mut found: Vec<Pid>, mut seen: HashSet<Pid>) -> (Vec<Pid>, u64) {
        self.system.refresh_processes_specifics(
            ProcessesToUpdate::All,
            true,
            ProcessRefreshKind::nothing().without_tasks(),
        );
        let mut children: HashMap<Pid, Vec<Pid>> = HashMap::new();
        for (pid, process) in self.system.processes() {
            if let Some(parent) = process.parent() {
                children.entry(parent).or_default().push(*pid);
            }
        }
        let mut next = 0;
        while let Some(pid) = found.get(next).copied() {
            next += 1;
            for child in children.get(&pid).into_iter().flatten() {
                if found.len() < PROCESSES_MAX && seen.insert(*child) {
                    found.push(*child);
                }
            }
        }
        let alive = found.iter().filter(|pid| self.system.process(**pid).is_some()).count();
        (found, alive as u64)
    }

    /// Host-wide traffic is not the command's: without a namespace of its own it stays unknown.
    fn read_network(&self) -> Option<Traffic> {
        let own = self.own_network.as_ref()?;
        let theirs = fs::read_link(format!("/proc/{}/ns/net", self.root)).ok()?;
        if theirs == *own {
            return None;
        }
        parse_net_dev(&fs::read_to_string(format!("/proc/{}/net/dev", self.root)).ok()?)
    }
}

/// Visits the children of a process (Linux keeps them by thread) and counts its threads.
fn read_tasks(process: &str, mut visit: impl FnMut(Pid)) -> u64 {
    let Ok(tasks) = fs::read_dir(format!("/proc/{process}/task")) else { return 0 };
    let mut threads = 0;
    for task in tasks.flatten() {
        threads += 1;
        let Ok(children) = fs::read_to_string(task.path().join("children")) else { continue };
        children.split_ascii_whitespace().filter_map(|text| text.parse().ok()).map(Pid::from_u32).for_each(&mut visit);
    }
    threads
}

/// Sums `/proc/net/dev`: per interface, received bytes are the 1st figure and sent bytes the 9th.
fn parse_net_dev(text: &str) -> Option<Traffic> {
    let mut traffic = Traffic::default();
    for line in text.lines().skip(2) {
        let (name, figures) = line.split_once(':')?;
        if name.trim() == "lo" {
            continue;
        }
        let figures: Vec<u64> = figures.split_ascii_whitespace().filter_map(|text| text.parse().ok()).collect();
        traffic.receive_bytes = traffic.receive_bytes.saturating_add(*figures.first()?);
        traffic.transmit_bytes = traffic.transmit_bytes.saturating_add(*figures.get(8)?);
    }
    Some(traffic)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::process::{Child, Command, Stdio};

    use super::*;

    /// Starts a program that says a line when it is ready and ends when its input closes.
    fn start(script: &str) -> Child {
        let mut child = Command::new("python3")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().expect("stdout")).read_line(&mut line).expect("a line");
        assert_eq!(line.trim(), "ready");
        child
    }

    fn stop(mut child: Child) {
        child.stdin.take().expect("stdin").write_all(b"\n").expect("write");
        child.wait().expect("wait");
    }

    #[test]
    fn memory_and_threads_of_the_whole_tree_are_summed() {
        let child = start(
            "import subprocess,sys,threading\n\
             block=bytearray(40<<20)\n\
             inner=subprocess.Popen([sys.executable,'-c','b=bytearray(40<<20);print(1,flush=True);input()'],stdin=0,stdout=subprocess.PIPE)\n\
             inner.stdout.readline()\n\
             stay=threading.Event()\n\
             [threading.Thread(target=stay.wait,daemon=True).start() for _ in range(3)]\n\
             print('ready',flush=True)\n\
             inner.wait()",
        );
        let sample = TreeSampler::new(child.id(), false).expect("sampler").sample().expect("alive");
        assert_eq!(sample.processes, 2);
        assert_eq!(sample.threads, 5);
        assert!(sample.memory_bytes > 80 << 20, "{sample:?}");
        assert!(sample.memory_bytes < 400 << 20, "{sample:?}");
        assert_eq!(sample.network, None, "host-wide traffic is not the command's");
        stop(child);
    }

    #[test]
    fn cpu_of_a_child_that_ended_is_kept() {
        let mut child = start(
            "import subprocess,sys\n\
             inner=subprocess.Popen([sys.executable,'-c','x=sum(i*i for i in range(4000000));print(x,flush=True);input()'],\
             stdin=subprocess.PIPE,stdout=subprocess.PIPE)\n\
             inner.stdout.readline()\n\
             print('ready',flush=True)\n\
             input()\n\
             inner.communicate(b'\\n')\n\
             print('ended',flush=True)\n\
             input()",
        );
        let mut sampler = TreeSampler::new(child.id(), false).expect("sampler");
        let during = sampler.sample().expect("alive");
        assert_eq!(during.processes, 2);
        assert!(during.cpu_s > 0.05, "{during:?}");
        child.stdin.as_mut().expect("stdin").write_all(b"\n").expect("write");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().expect("stdout")).read_line(&mut line).expect("a line");
        let after = sampler.sample().expect("alive");
        assert_eq!(after.processes, 1);
        assert!(after.cpu_s >= during.cpu_s, "{during:?} {after:?}");
        stop(child);
        assert_eq!(sampler.sample(), None);
    }

    #[test]
    fn traffic_is_summed_without_the_loopback() {
        let text = "Inter-| Receive | Transmit\n face |bytes ...\n    lo: 9 0 0 0 0 0 0 0 9 0 0 0 0 0 0 0\n  eth0: 100 1 0 0 0 0 0 0 200 1 0 0 0 0 0 0\n  eth1:5 1 0 0 0 0 0 0 6 1 0 0 0 0 0 0\n";
        assert_eq!(parse_net_dev(text), Some(Traffic { receive_bytes: 105, transmit_bytes: 206 }));
        assert_eq!(parse_net_dev("a\nb\n eth0: 1 2\n"), None);
    }
}
