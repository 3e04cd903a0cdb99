//! Resources and scopes: stored once, named by a hash of their content.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use duckdb::Connection;
use serde_json::json;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::append::Small;
use crate::otlp::conventions::{KeyTraits, ResourceFacts, Rules};
use crate::otlp::value::{AttrValue, write_attributes_json};
use crate::otlp::wire::{Resource, Scope};
use crate::store::StoreError;

/// Facts of resources are kept for this many; then all are forgotten and read again.
const FACTS_MAX: usize = 10_000;

/// Ids that are known to be stored: of each kind so many; then all are forgotten, and what comes again is asked of the
/// store.
const IDS_MAX: usize = 65_536;

/// Resources and scopes that are stored, and those that are not yet.
pub(super) struct ResourceRows {
    resources: HashSet<u64>,
    scopes: HashSet<u64>,
    facts: HashMap<u64, Arc<ResourceFacts>>,
    last_resource: Last<ResourceFacts>,
    last_scope: Last<KeyTraits>,
    resource_rows: Vec<String>,
    scope_rows: Vec<String>,
    fact_rows: Vec<String>,
}

/// The block that was seen last: items of one block follow one another.
#[derive(Default)]
struct Last<T> {
    at: Option<(usize, usize)>,
    id: u64,
    /// What the conventions say of it.
    facts: Arc<T>,
    /// Whether rules look at every span of it.
    is_read: bool,
}

impl ResourceRows {
    pub(super) fn stored_in(connection: &Connection) -> Result<Self, StoreError> {
        Ok(Self {
            resources: ids(connection, &format!("select resource_id from resources limit {IDS_MAX}"))?,
            scopes: ids(connection, &format!("select scope_id from scopes limit {IDS_MAX}"))?,
            facts: HashMap::new(),
            last_resource: Last::default(),
            last_scope: Last::default(),
            resource_rows: Vec::new(),
            scope_rows: Vec::new(),
            fact_rows: Vec::new(),
        })
    }

    /// Forgets which block was last: the next request's bytes may lie at the same address.
    pub(super) fn next_request(&mut self) {
        self.last_resource = Last::default();
        self.last_scope = Last::default();
    }

    /// The id of a resource. [`ResourceRows::facts`] then says what the conventions make of it.
    pub(super) fn resource(&mut self, resource: &Resource<'_>, rules: &Rules) -> u64 {
        let at = (resource.raw.as_ptr() as usize, resource.raw.len());
        if self.last_resource.at == Some(at) {
            return self.last_resource.id;
        }
        let id = xxh3_64_with_seed(resource.raw, xxh3_64(resource.schema_url.as_bytes()));
        let facts = match self.facts.get(&id) {
            Some(facts) => Arc::clone(facts),
            None => self.learn(id, resource, rules),
        };
        let is_read = rules.reads_resource(&facts);
        // An empty block has no address of its own.
        self.last_resource = Last { at: Some(at).filter(|(_, length)| *length > 0), id, facts, is_read };
        id
    }

    /// What the conventions say of the resource that was asked for last.
    pub(super) fn facts(&self) -> &ResourceFacts {
        &self.last_resource.facts
    }

    /// What the rules see in the resource and the scope that were asked for last.
    pub(super) fn traits(&self) -> KeyTraits {
        let scope = *self.last_scope.facts;
        KeyTraits { is_read: scope.is_read || self.last_resource.is_read, is_quiet: scope.is_quiet }
    }

    fn learn(&mut self, id: u64, resource: &Resource<'_>, rules: &Rules) -> Arc<ResourceFacts> {
        let attributes: Vec<(&str, AttrValue<'_>)> = resource.attributes().collect();
        let facts = Arc::new(rules.resource_facts(&attributes));
        if self.facts.len() >= FACTS_MAX {
            self.facts.clear();
        }
        self.facts.insert(id, Arc::clone(&facts));
        if is_new(&mut self.resources, id) {
            self.describe_resource(id, resource, &facts, &attributes);
        }
        facts
    }

    fn describe_resource(
        &mut self,
        id: u64,
        resource: &Resource<'_>,
        facts: &ResourceFacts,
        attributes: &[(&str, AttrValue<'_>)],
    ) {
        self.resource_rows.push(
            json!({
                "resource_id": id,
                "service": facts.service,
                "instance": facts.instance,
                "schema_url": resource.schema_url,
                "attributes": attributes_json(attributes),
            })
            .to_string(),
        );
        if facts.is_worth_a_row() {
            self.fact_rows.push(
                json!({
                    "resource_id": id,
                    "pipeline": facts.pipeline,
                    "run_id": facts.run_id,
                    "branch": facts.branch,
                    "revision": facts.revision,
                    "environment": facts.environment,
                    "host_class": facts.host_class,
                    "cpu_model": facts.cpu_model,
                    "cpu_cores": facts.cpu_cores,
                    "host_memory_bytes": facts.host_memory_bytes,
                    "runner": facts.runner,
                    "process": facts.process,
                })
                .to_string(),
            );
        }
    }

    /// The id of a scope.
    pub(super) fn scope(&mut self, scope: &Scope<'_>, rules: &Rules) -> u64 {
        let at = (scope.raw.as_ptr() as usize, scope.raw.len());
        if self.last_scope.at == Some(at) {
            return self.last_scope.id;
        }
        let id = xxh3_64_with_seed(scope.raw, xxh3_64(scope.schema_url.as_bytes()));
        let facts = Arc::new(rules.scope_traits(scope.name));
        self.last_scope = Last { at: Some(at).filter(|(_, length)| *length > 0), id, facts, is_read: false };
        if is_new(&mut self.scopes, id) {
            let attributes: Vec<(&str, AttrValue<'_>)> = scope.attributes().collect();
            self.scope_rows.push(
                json!({
                    "scope_id": id,
                    "name": scope.name,
                    "version": scope.version,
                    "schema_url": scope.schema_url,
                    "attributes": attributes_json(&attributes),
                })
                .to_string(),
            );
        }
        id
    }

    pub(super) fn take(&mut self) -> [Small; 3] {
        [
            Small { table: "resources", key: &["resource_id"], rows: std::mem::take(&mut self.resource_rows) },
            Small { table: "scopes", key: &["scope_id"], rows: std::mem::take(&mut self.scope_rows) },
            Small { table: "resource_facts", key: &["resource_id"], rows: std::mem::take(&mut self.fact_rows) },
        ]
    }
}

fn is_new(known: &mut HashSet<u64>, id: u64) -> bool {
    if known.len() >= IDS_MAX && !known.contains(&id) {
        known.clear();
    }
    known.insert(id)
}

fn attributes_json(attributes: &[(&str, AttrValue<'_>)]) -> Option<String> {
    if attributes.is_empty() {
        return None;
    }
    let mut text = String::new();
    write_attributes_json(attributes.iter().copied(), &mut text);
    Some(text)
}

fn ids(connection: &Connection, statement: &str) -> Result<HashSet<u64>, StoreError> {
    let failed = "read stored resources";
    let mut statement = connection.prepare(statement).map_err(StoreError::sql(failed))?;
    let rows = statement.query_map([], |row| row.get(0)).map_err(StoreError::sql(failed))?;
    rows.collect::<Result<_, _>>().map_err(StoreError::sql(failed))
}
