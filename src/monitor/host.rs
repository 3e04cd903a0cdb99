//! Names the kind of machine, so that a baseline never mixes fast hosts with slow ones.

use opentelemetry::KeyValue;
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

use super::context::Context;

/// What is known about the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// CPU model as the system names it, cleaned.
    pub cpu_model: String,
    /// Usable cores (container limits counted).
    pub cores: usize,
    /// Usable memory, bytes (container limits counted).
    pub memory_bytes: u64,
    /// Architecture, as in `x86_64`.
    pub arch: &'static str,
    /// Operating system, as in `linux`.
    pub os: &'static str,
}

impl Host {
    /// Looks at this machine.
    #[must_use]
    pub fn read() -> Self {
        let wanted = RefreshKind::nothing()
            .with_cpu(CpuRefreshKind::nothing())
            .with_memory(MemoryRefreshKind::nothing().with_ram());
        let (cpu_model, memory_bytes) = match System::new_with_specifics(wanted) {
            Ok(system) => {
                let limit = system.cgroup_limits().map_or(u64::MAX, |limits| limits.total_memory);
                let total = system.total_memory();
                let model = system.cpus().first().map(|cpu| clean_model(cpu.brand())).unwrap_or_default();
                (model, if limit == 0 { total } else { total.min(limit) })
            }
            Err(_) => (String::new(), 0),
        };
        Self {
            cpu_model,
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            memory_bytes,
            arch: std::env::consts::ARCH,
            os: std::env::consts::OS,
        }
    }

    /// One short text: architecture, model, cores, memory in steps of powers of two, runner.
    #[must_use]
    pub fn class(&self, runner: Option<&str>) -> String {
        let model = if self.cpu_model.is_empty() { "unknown-cpu" } else { &self.cpu_model };
        let mut class = format!("{} {model} {}c", self.arch, self.cores);
        if self.memory_bytes > 0 {
            class.push_str(&format!(" {}g", memory_bucket_gib(self.memory_bytes)));
        }
        if let Some(runner) = runner {
            class.push(' ');
            class.push_str(runner);
        }
        class
    }
}

/// Where a run runs: the machine, and the class that it counts as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    host: Host,
    /// `PERFLINE_HOST_CLASS`, else what the machine gives.
    pub(super) class: String,
    runner: Option<String>,
}

impl Place {
    /// Looks at this machine, and at what CI says of its runner.
    pub(super) fn read(context: &Context, lookup: impl Fn(&str) -> Option<String>) -> Self {
        let host = Host::read();
        let runner = context.runner.clone();
        let said = lookup("PERFLINE_HOST_CLASS").filter(|text| !text.is_empty());
        let class = said.unwrap_or_else(|| host.class(runner.as_deref()));
        Self { host, class, runner }
    }

    /// As resource attributes; what is unknown is left out.
    pub(super) fn attributes(&self) -> Vec<KeyValue> {
        let Host { cpu_model, cores, memory_bytes, arch, os } = &self.host;
        let mut attributes = vec![
            KeyValue::new("host.arch", *arch),
            KeyValue::new("os.type", *os),
            KeyValue::new("perfline.host_class", self.class.clone()),
        ];
        let mut count = |key: &'static str, value: Option<i64>| {
            attributes.extend(value.filter(|count| *count > 0).map(|count| KeyValue::new(key, count)));
        };
        // The semantic conventions have no names for these two.
        count("perfline.host.cores", i64::try_from(*cores).ok());
        count("perfline.host.memory_bytes", i64::try_from(*memory_bytes).ok());
        attributes.extend((!cpu_model.is_empty()).then(|| KeyValue::new("host.cpu.model.name", cpu_model.clone())));
        attributes.extend(self.runner.clone().map(|runner| KeyValue::new("perfline.runner", runner)));
        attributes
    }
}

/// Nearest power of two in GiB, at least 1: firmware and kernel take an amount that varies.
#[allow(clippy::cast_possible_truncation, reason = "a power of two of GiB is far below 2^64")]
fn memory_bucket_gib(bytes: u64) -> u64 {
    let gib = bytes as f64 / (1u64 << 30) as f64;
    2f64.powf(gib.max(1.0).log2().round()) as u64
}

/// Trade marks, "CPU", "Processor" and the clock rate say nothing that the model does not.
fn clean_model(brand: &str) -> String {
    let brand = brand.split('@').next().unwrap_or(brand).replace("(R)", "").replace("(TM)", "").replace("(tm)", "");
    let words: Vec<&str> = brand
        .split_whitespace()
        .filter(|word| !matches!(*word, "CPU" | "Processor") && !word.ends_with("-Core"))
        .take(8)
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn model_names_lose_trade_marks_and_clock_rates() {
        assert_eq!(clean_model("Intel(R) Xeon(R) Platinum 8370C CPU @ 2.80GHz"), "Intel Xeon Platinum 8370C");
        assert_eq!(clean_model("AMD EPYC 7763 64-Core Processor"), "AMD EPYC 7763");
    }

    #[test]
    fn memory_falls_into_powers_of_two() {
        assert_eq!(memory_bucket_gib(16_759_000_000), 16);
        assert_eq!(memory_bucket_gib(7_900_000_000), 8);
        assert_eq!(memory_bucket_gib(100_000), 1);
    }

    #[test]
    fn the_same_machine_has_the_same_class_twice() {
        let class = Host::read().class(Some("self-hosted"));
        assert_eq!(class, Host::read().class(Some("self-hosted")));
        assert!(class.contains(std::env::consts::ARCH) && class.ends_with("self-hosted"), "{class}");
    }
}
