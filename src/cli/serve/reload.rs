//! What changes without a restart: at SIGHUP the whole configuration is read again; tokens and certificates also
//! within seconds after their files changed.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use tokio::signal::unix::{SignalKind, signal};

use super::super::{Failure, checked_policy, prices};
use super::{ServeArgs, access, door_settings, layers, log, named, query_bounds};
use crate::api::Questions;
use crate::config::{Config, Setting};
use crate::model::live::Live;
use crate::net::ServerTls;
use crate::otlp::access::Access;
use crate::otlp::receive::DoorSettings;
use crate::store::Store;

/// How often watched files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Keys that are taken over at SIGHUP, as is all of [detect]; the others need a restart.
const RELOADED: [&str; 13] = [
    "access.token_file",
    "access.tokens",
    "limits.attributes_max",
    "limits.body_bytes_max",
    "limits.body_timeout",
    "limits.lenient_enum_names",
    "limits.queries_max",
    "limits.query_bytes_max",
    "limits.query_rows_max",
    "limits.query_timeout",
    "listen.cors_origins",
    "log.level",
    "prices.file",
];

fn is_reloaded(key: &str) -> bool {
    RELOADED.contains(&key) || key.starts_with("detect.")
}

/// Everything that can be changed in a running service.
pub(super) struct Reload {
    pub(super) args: ServeArgs,
    pub(super) config: Config,
    pub(super) settings: Vec<Setting>,
    pub(super) store: Store,
    pub(super) questions: Questions,
    pub(super) door: Live<DoorSettings>,
    pub(super) access: Access,
    pub(super) tls: Option<ServerTls>,
    pub(super) level: log::Level,
}

/// When each watched file was changed, and how long it is.
type Stamps = BTreeMap<PathBuf, Option<(SystemTime, u64)>>;

impl Reload {
    /// Listens for SIGHUP and looks at the files until it is dropped.
    pub(super) async fn run(mut self) {
        let mut hangup = match signal(SignalKind::hangup()) {
            Ok(hangup) => hangup,
            Err(error) => {
                tracing::error!(%error, "SIGHUP cannot be listened for: settings change by a restart only");
                return;
            }
        };
        let mut stamps = stamps(&self.config);
        let mut look = tokio::time::interval(LOOK_EVERY);
        loop {
            tokio::select! {
                hung_up = hangup.recv() => {
                    if hung_up.is_none() {
                        return;
                    }
                    self.again();
                    stamps = self::stamps(&self.config);
                }
                _ = look.tick() => {
                    let now = self::stamps(&self.config);
                    if now != stamps {
                        stamps = now;
                        self.materials();
                    }
                }
            }
        }
    }

    /// Reads the configuration again. Where it is wrong, nothing changes.
    fn again(&mut self) {
        let read = layers(&self.args).and_then(|layers| {
            let config = super::super::config::checked(&layers)?;
            log::filter(&config.log)?;
            access::tokens(&config.access)?;
            let policy = checked_policy(config.detect.clone())?;
            let prices = prices(None, named(&config.prices.file))?;
            Ok((config, layers.settings(), policy, prices))
        });
        let (config, settings, policy, prices) = match read {
            Ok(read) => read,
            Err(failure) => return complain(failure, "the configuration is wrong: nothing was changed"),
        };
        let changed = changed_keys(&self.settings, &settings);
        let (taken, later): (Vec<&str>, Vec<&str>) =
            changed.iter().map(String::as_str).partition(|key| is_reloaded(key));
        if !later.is_empty() {
            tracing::warn!(keys = later.join(", "), "these changes need a restart");
        }
        tracing::info!(keys = taken.join(", "), "read the configuration again");
        self.door.set(door_settings(&config));
        self.store.set_policy(policy);
        self.store.set_query_bounds(query_bounds(&config));
        self.questions.set_most(config.limits.queries_max);
        self.store.set_prices(prices);
        if let Ok(filter) = log::filter(&config.log) {
            // The log is gone only when the program ends.
            drop(self.level.reload(filter));
        }
        // What needs a restart stays as it was, also for the next comparison.
        let tls = self.config.tls.clone();
        self.config = Config { tls, ..config };
        self.settings = settings;
        self.materials();
    }

    /// Reads tokens and certificates again.
    fn materials(&self) {
        match access::tokens(&self.config.access) {
            Ok(tokens) => {
                self.access.replace(tokens);
                tracing::info!("read the tokens again");
            }
            Err(failure) => complain(failure, "the tokens are wrong: those from before stay in force"),
        }
        let Some(tls) = &self.tls else { return };
        match tls.reload() {
            Ok(()) => tracing::info!("read the certificates again"),
            Err(error) => {
                let failure = Failure::machine("configure: tls", &error);
                complain(failure, "the certificates are wrong: those from before stay in force");
            }
        }
    }
}

fn complain(failure: Failure, what: &str) {
    let (error, help) = failure.into_parts();
    tracing::error!(error, help, "{what}");
}

fn stamps(config: &Config) -> Stamps {
    let stamp = |path: &PathBuf| std::fs::metadata(path).and_then(|meta| Ok((meta.modified()?, meta.len()))).ok();
    access::watched(config).into_iter().map(|path| (path.clone(), stamp(&path))).collect()
}

/// Keys whose values differ, sorted. Hidden values look alike: they are among the keys that are read again anyway.
fn changed_keys(before: &[Setting], after: &[Setting]) -> Vec<String> {
    let values = |settings: &[Setting]| -> BTreeMap<String, toml::Value> {
        settings.iter().map(|setting| (setting.key.clone(), setting.value.clone())).collect()
    };
    let (before, after) = (values(before), values(after));
    let mut keys: Vec<String> = before.keys().chain(after.keys()).cloned().collect();
    keys.sort();
    keys.dedup();
    keys.retain(|key| before.get(key) != after.get(key));
    keys
}
