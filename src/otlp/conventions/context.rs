//! What a resource says: pipeline and run, branch and revision, the machine, the process.

use super::compile::{Base, Source, Tables};
use super::facts::{Attributes, ResourceFacts};
use super::source::{Fact, treat};
use super::value::{count, identity, parse_number, text};

/// Asks the conventions about a resource.
pub(super) fn of_resource(tables: &Tables, attributes: &Attributes<'_>) -> ResourceFacts {
    let said = |key: &str| {
        let found = attributes.iter().find(|(name, _)| *name == key);
        found.and_then(|(_, value)| identity(&text(value)?))
    };
    let mut facts =
        ResourceFacts { service: said("service.name"), instance: said("service.instance.id"), ..Default::default() };
    for (key, value) in attributes {
        let Some(&number) = tables.numbers.get(*key) else { continue };
        let value = text(value).and_then(|value| identity(&value));
        if let (Some(value), None) = (value, facts.known(number)) {
            facts.known.push((number, value));
        }
    }
    let word = |fact| fact_of(tables, &facts, fact);
    let amount = |fact| word(fact).and_then(|text| count(parse_number(&text)?)).filter(|amount| *amount > 0);
    facts = ResourceFacts {
        pipeline: word(Fact::Pipeline),
        run_id: word(Fact::RunId),
        branch: word(Fact::Branch),
        revision: word(Fact::Revision),
        environment: word(Fact::Environment),
        host_class: word(Fact::HostClass),
        cpu_model: word(Fact::CpuModel),
        cpu_cores: amount(Fact::CpuCores),
        host_memory_bytes: amount(Fact::HostMemoryBytes),
        runner: word(Fact::Runner),
        process: process(&facts, &said),
        ..facts
    };
    facts.host_class = facts.host_class.take().or_else(|| host_class(&facts, said("host.arch").as_deref()));
    facts
}

fn fact_of(tables: &Tables, facts: &ResourceFacts, fact: Fact) -> Option<String> {
    tables.resource.get(&fact)?.iter().find_map(|source: &Source| {
        let (Base::Key(key) | Base::Resource(key)) = source.base else { return None };
        let found = facts.known(key)?;
        let Some(treatment) = &source.treatment else { return Some(found.to_owned()) };
        let treated = treat(treatment, found)?;
        let scale = if treatment.scale == 0.0 { 1.0 } else { treatment.scale };
        match parse_number(&treated) {
            Some(number) if scale != 1.0 || treatment.add != 0.0 => {
                Some(number.mul_add(scale, treatment.add).to_string())
            }
            _ => identity(&treated),
        }
    })
}

/// The same process under whatever else its resource says: the instance that it names, else its number on
/// its host.
fn process(facts: &ResourceFacts, said: &impl Fn(&str) -> Option<String>) -> Option<String> {
    let service = facts.service.as_deref().unwrap_or_default();
    if let Some(instance) = &facts.instance {
        return Some(format!("{service}/{instance}"));
    }
    let host = said("container.id").or_else(|| said("host.id")).or_else(|| said("host.name"))?;
    said("process.pid").map(|pid| format!("{host}#{pid}"))
}

/// One text for the kind of machine, from what is known of it: `x86_64 AMD EPYC 7763 4c 16g ubuntu`.
fn host_class(facts: &ResourceFacts, arch: Option<&str>) -> Option<String> {
    let cores = facts.cpu_cores.map(|cores| format!("{cores}c"));
    let memory = facts.host_memory_bytes.map(|bytes| format!("{}g", gib(bytes)));
    let parts = [arch, facts.cpu_model.as_deref(), cores.as_deref(), memory.as_deref(), facts.runner.as_deref()];
    let text = parts.into_iter().flatten().collect::<Vec<_>>().join(" ");
    identity(&text)
}

/// The nearest power of two: firmware and kernel take an amount that varies.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "memory in GiB is a small number")]
fn gib(bytes: i64) -> i64 {
    let gib = bytes as f64 / (1_i64 << 30) as f64;
    gib.max(1.0).log2().round().exp2() as i64
}

#[cfg(test)]
mod tests {
    use crate::otlp::conventions::Rules;
    use crate::otlp::value::AttrValue;

    #[test]
    fn the_machine_is_told_by_its_parts_where_nobody_names_its_class() {
        let rules = Rules::embedded().unwrap();
        let parts = [
            ("host.arch", AttrValue::Str("amd64")),
            ("host.cpu.model.name", AttrValue::Str("AMD EPYC 7763")),
            ("host.cpu.count", AttrValue::Int(4)),
            ("host.memory.total", AttrValue::Int(16_759_000_000)),
            ("cicd.worker.group.name", AttrValue::Str("large")),
        ];
        let facts = rules.resource_facts(&parts);
        assert_eq!(facts.host_class.as_deref(), Some("amd64 AMD EPYC 7763 4c 16g large"));
        assert_eq!((facts.cpu_cores, facts.host_memory_bytes), (Some(4), Some(16_759_000_000)));
        assert_eq!(facts.runner.as_deref(), Some("large"));
        let named = [("host.type", AttrValue::Str("m7i.large")), parts[1]];
        assert_eq!(rules.resource_facts(&named).host_class.as_deref(), Some("m7i.large"));
        assert_eq!(rules.resource_facts(&[]).host_class, None);
    }

    #[test]
    fn a_process_is_the_same_whatever_else_its_resource_says() {
        let rules = Rules::embedded().unwrap();
        let process = |attributes: &[(&str, AttrValue<'_>)]| rules.resource_facts(attributes).process;
        let (host, pid) = (("host.name", AttrValue::Str("a")), ("process.pid", AttrValue::Int(7)));
        assert_eq!(process(&[host, pid, ("process.command", AttrValue::Str("x"))]), process(&[pid, host]));
        assert_eq!(process(&[host]), None);
        let instance = ("service.instance.id", AttrValue::Str("i-1"));
        assert_eq!(process(&[instance, host, pid]), process(&[instance]));
        assert_ne!(process(&[instance, ("service.name", AttrValue::Str("s"))]), process(&[instance]));
    }
}
