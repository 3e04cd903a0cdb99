//! Reads what a CI system says about the run from its environment variables.
//!
//! Only the variables in [`ALLOWED`] are ever read, so that no secret can leave by accident; the
//! reading is pure over a lookup. Sources: the documentation of each CI system, and the
//! OpenTelemetry CI/CD and VCS semantic conventions (v1.43) for the words.

use std::fs::File;
use std::io::Read;

use super::ci;
use super::variables::ALLOWED;

/// Longest text that is taken from a variable, in characters.
const TEXT_CHARS_MAX: usize = 512;

/// Largest event file that is read, in bytes.
const EVENT_BYTES_MAX: u64 = 4 << 20;

/// What is known about a run before it starts. Unknown is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// Name of the CI system (`github`, `gitlab`, ...).
    pub ci: Option<&'static str>,
    /// Pipeline name.
    pub pipeline: Option<String>,
    /// The CI system's id of the run, with `.attempt` behind it from the second attempt on.
    pub run_id: Option<String>,
    /// Job or stage that the command is part of.
    pub job: Option<String>,
    /// Page of the run.
    pub run_url: Option<String>,
    /// Branch (of the change, for a pull request).
    pub branch: Option<String>,
    /// Commit.
    pub revision: Option<String>,
    /// Branch that a pull request goes to.
    pub base_branch: Option<String>,
    /// Commit that a pull request started from.
    pub base_revision: Option<String>,
    /// Number of the pull or merge request.
    pub change_id: Option<String>,
    /// Repository, without user or password.
    pub repository: Option<String>,
    /// Deployment environment.
    pub environment: Option<String>,
    /// Kind of runner, part of the host class.
    pub runner: Option<String>,
}

impl Context {
    /// Reads the context by `lookup`, which is asked only for names in [`ALLOWED`].
    pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let vars = Vars(&lookup);
        let mut context = match () {
            () if vars.is_set("GITHUB_ACTIONS") => ci::github(&vars),
            () if vars.is_set("GITLAB_CI") => ci::gitlab(&vars),
            () if vars.is_set("BUILDKITE") => ci::buildkite(&vars),
            () if vars.is_set("CIRCLECI") => ci::circle(&vars),
            () if vars.is_set("TF_BUILD") => ci::azure(&vars),
            () if vars.is_set("JENKINS_URL") => ci::jenkins(&vars),
            () => Self::default(),
        };
        let own = |name: &str, field: &mut Option<String>| {
            if let Some(value) = vars.text(name) {
                *field = Some(value);
            }
        };
        own("PERFLINE_PIPELINE", &mut context.pipeline);
        own("PERFLINE_RUN_ID", &mut context.run_id);
        own("PERFLINE_BRANCH", &mut context.branch);
        own("PERFLINE_REVISION", &mut context.revision);
        own("PERFLINE_BASE_BRANCH", &mut context.base_branch);
        own("PERFLINE_ENVIRONMENT", &mut context.environment);
        context
    }

    /// Takes the commits of a pull request from GitHub's event file, where there is one.
    pub fn read_event_file(&mut self, lookup: impl Fn(&str) -> Option<String>) {
        let path =
            Vars(&lookup).text("GITHUB_EVENT_PATH").filter(|_| self.ci == Some("github") && self.change_id.is_some());
        let Some(file) = path.and_then(|path| File::open(path).ok()) else { return };
        let mut event = String::new();
        if file.take(EVENT_BYTES_MAX).read_to_string(&mut event).is_err() {
            return;
        }
        let (head, base) = ci::github_revisions(&event);
        self.revision = head.or_else(|| self.revision.take());
        self.base_revision = base.or_else(|| self.base_revision.take());
    }

    /// Fills what the CI system left open from `other`, for example from git.
    pub fn fill_from(&mut self, other: Self) {
        fn fill(mine: &mut Option<String>, theirs: Option<String>) {
            if mine.is_none() {
                *mine = theirs;
            }
        }
        fill(&mut self.branch, other.branch);
        fill(&mut self.revision, other.revision);
        fill(&mut self.repository, other.repository);
    }
}

/// A lookup that is held to the list.
pub(super) struct Vars<'a>(&'a dyn Fn(&str) -> Option<String>);

impl Vars<'_> {
    pub(super) fn text(&self, name: &str) -> Option<String> {
        debug_assert!(ALLOWED.contains(&name), "{name} is not on the allow-list");
        let value: String = (self.0)(name)?.trim().chars().take(TEXT_CHARS_MAX).collect();
        (!value.is_empty()).then_some(value)
    }

    fn is_set(&self, name: &str) -> bool {
        self.text(name).is_some_and(|value| !value.eq_ignore_ascii_case("false"))
    }

    pub(super) fn first(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| self.text(name))
    }

    pub(super) fn url(&self, name: &str) -> Option<String> {
        self.text(name).map(|url| without_user(&url))
    }
}

/// Drops `user:password@` and the query from a URL: CI systems and git remotes put tokens there.
pub(super) fn without_user(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or(url);
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = authority.rsplit('@').next().unwrap_or(authority);
            format!("{scheme}://{host}{path}")
        }
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Context {
        let map: BTreeMap<String, String> = pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        Context::read(|name| map.get(name).cloned())
    }

    #[test]
    fn github_pull_request_gives_both_branches_attempt_and_number() {
        let context = read(&[
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_WORKFLOW", "ci"),
            ("GITHUB_RUN_ID", "901"),
            ("GITHUB_RUN_ATTEMPT", "2"),
            ("GITHUB_REF", "refs/pull/17/merge"),
            ("GITHUB_REF_NAME", "17/merge"),
            ("GITHUB_HEAD_REF", "faster"),
            ("GITHUB_BASE_REF", "main"),
            ("GITHUB_SHA", "abc"),
            ("GITHUB_SERVER_URL", "https://github.com"),
            ("GITHUB_REPOSITORY", "acme/app"),
            ("RUNNER_ENVIRONMENT", "github-hosted"),
            ("ImageOS", "ubuntu24"),
        ]);
        assert_eq!(context.pipeline.as_deref(), Some("ci"));
        assert_eq!(context.run_id.as_deref(), Some("901.2"));
        assert_eq!(context.branch.as_deref(), Some("faster"));
        assert_eq!(context.base_branch.as_deref(), Some("main"));
        assert_eq!(context.change_id.as_deref(), Some("17"));
        assert_eq!(context.run_url.as_deref(), Some("https://github.com/acme/app/actions/runs/901"));
        assert_eq!(context.runner.as_deref(), Some("github-hosted-ubuntu24"));
    }

    #[test]
    fn each_ci_system_gives_pipeline_run_branch_and_revision() {
        let systems: [&[(&str, &str)]; 5] = [
            &[
                ("GITLAB_CI", "true"),
                ("CI_PIPELINE_NAME", "p"),
                ("CI_PIPELINE_ID", "7"),
                ("CI_COMMIT_REF_NAME", "b"),
                ("CI_COMMIT_SHA", "s"),
            ],
            &[
                ("BUILDKITE", "true"),
                ("BUILDKITE_PIPELINE_SLUG", "p"),
                ("BUILDKITE_BUILD_NUMBER", "7"),
                ("BUILDKITE_BRANCH", "b"),
                ("BUILDKITE_COMMIT", "s"),
            ],
            &[
                ("JENKINS_URL", "http://j/"),
                ("JOB_NAME", "p"),
                ("BUILD_NUMBER", "7"),
                ("GIT_BRANCH", "origin/b"),
                ("GIT_COMMIT", "s"),
            ],
            &[
                ("CIRCLECI", "true"),
                ("CIRCLE_PROJECT_REPONAME", "p"),
                ("CIRCLE_WORKFLOW_ID", "7"),
                ("CIRCLE_BRANCH", "b"),
                ("CIRCLE_SHA1", "s"),
            ],
            &[
                ("TF_BUILD", "True"),
                ("BUILD_DEFINITIONNAME", "p"),
                ("BUILD_BUILDID", "7"),
                ("BUILD_SOURCEBRANCH", "refs/heads/b"),
                ("BUILD_SOURCEVERSION", "s"),
            ],
        ];
        for pairs in systems {
            let context = read(pairs);
            assert_eq!(context.pipeline.as_deref(), Some("p"), "{pairs:?}");
            assert_eq!(context.run_id.as_deref(), Some("7"), "{pairs:?}");
            assert_eq!(context.branch.as_deref(), Some("b"), "{pairs:?}");
            assert_eq!(context.revision.as_deref(), Some("s"), "{pairs:?}");
        }
    }

    #[test]
    fn only_allow_listed_variables_are_ever_asked_for() {
        for marker in ["GITHUB_ACTIONS", "GITLAB_CI", "BUILDKITE", "JENKINS_URL", "CIRCLECI", "TF_BUILD", "NONE"] {
            let asked = RefCell::new(BTreeSet::new());
            Context::read(|name| {
                asked.borrow_mut().insert(name.to_owned());
                (name == marker).then(|| "true".to_owned())
            });
            for name in asked.borrow().iter() {
                assert!(ALLOWED.contains(&name.as_str()), "{name}");
                for secret in ["TOKEN", "SECRET", "PASSWORD", "KEY"] {
                    assert!(!name.contains(secret), "{name}");
                }
            }
        }
    }

    #[test]
    fn passwords_and_queries_are_cut_from_repository_urls() {
        assert_eq!(without_user("https://oauth2:tok@host.example/a/b.git"), "https://host.example/a/b.git");
        assert_eq!(without_user("https://u:p@ss@h/x?private_token=1"), "https://h/x");
        assert_eq!(without_user("git@github.com:acme/app.git"), "git@github.com:acme/app.git");
        assert_eq!(without_user("ssh://git@h:22/x@y"), "ssh://h:22/x@y");
    }

    #[test]
    fn perfline_variables_win_and_hostile_text_is_cut() {
        let long = "x".repeat(100_000);
        let context = read(&[
            ("GITLAB_CI", "true"),
            ("CI_PIPELINE_ID", "7"),
            ("PERFLINE_RUN_ID", "mine"),
            ("CI_JOB_NAME", &long),
        ]);
        assert_eq!(context.run_id.as_deref(), Some("mine"));
        assert_eq!(context.job.map(|job| job.len()), Some(TEXT_CHARS_MAX));
    }

    #[test]
    fn git_fills_only_what_ci_left_open() {
        let mut context = Context { branch: Some("ci".into()), ..Context::default() };
        context.fill_from(Context { branch: Some("HEAD".into()), revision: Some("r".into()), ..Context::default() });
        assert_eq!((context.branch.as_deref(), context.revision.as_deref()), (Some("ci"), Some("r")));
    }
}
