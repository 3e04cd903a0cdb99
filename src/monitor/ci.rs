//! One reading per CI system: which variable says what. Sources: each system's own documentation.

use super::context::{Context, Vars};

pub(super) fn github(vars: &Vars<'_>) -> Context {
    let repository = vars.text("GITHUB_REPOSITORY").map(|path| {
        let server = vars.url("GITHUB_SERVER_URL").unwrap_or_else(|| "https://github.com".to_owned());
        format!("{server}/{path}")
    });
    let id = vars.text("GITHUB_RUN_ID");
    Context {
        ci: Some("github"),
        pipeline: vars.text("GITHUB_WORKFLOW"),
        run_url: repository.as_ref().zip(id.as_ref()).map(|(base, id)| format!("{base}/actions/runs/{id}")),
        run_id: id.map(|id| with_attempt(id, vars.text("GITHUB_RUN_ATTEMPT"), 1)),
        job: vars.text("GITHUB_JOB"),
        branch: vars.first(&["GITHUB_HEAD_REF", "GITHUB_REF_NAME"]),
        revision: vars.text("GITHUB_SHA"),
        base_branch: vars.text("GITHUB_BASE_REF"),
        base_revision: None,
        change_id: vars
            .text("GITHUB_REF")
            .and_then(|r| Some(r.strip_prefix("refs/pull/")?.split('/').next()?.to_owned())),
        repository,
        environment: None,
        runner: join(vars.text("RUNNER_ENVIRONMENT"), vars.text("ImageOS")),
    }
}

/// Head and base commit of a pull request, out of GitHub's event file: `GITHUB_SHA` is a merge commit that
/// nobody knows.
pub(super) fn github_revisions(event: &str) -> (Option<String>, Option<String>) {
    let event: serde_json::Value = serde_json::from_str(event).unwrap_or_default();
    let revision = |side: &str| {
        let text = event.get("pull_request")?.get(side)?.get("sha")?.as_str()?;
        (text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| text.to_owned())
    };
    (revision("head"), revision("base"))
}

pub(super) fn gitlab(vars: &Vars<'_>) -> Context {
    Context {
        ci: Some("gitlab"),
        pipeline: vars.first(&["CI_PIPELINE_NAME", "CI_PROJECT_PATH"]),
        run_id: vars.text("CI_PIPELINE_ID"),
        job: vars.text("CI_JOB_NAME"),
        run_url: vars.url("CI_PIPELINE_URL"),
        branch: vars.first(&["CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", "CI_COMMIT_REF_NAME"]),
        revision: vars.text("CI_COMMIT_SHA"),
        base_branch: vars.text("CI_MERGE_REQUEST_TARGET_BRANCH_NAME"),
        base_revision: vars.text("CI_MERGE_REQUEST_DIFF_BASE_SHA"),
        change_id: vars.text("CI_MERGE_REQUEST_IID"),
        repository: vars.url("CI_PROJECT_URL"),
        environment: vars.text("CI_ENVIRONMENT_NAME"),
        runner: vars.text("CI_RUNNER_EXECUTABLE_ARCH"),
    }
}

pub(super) fn buildkite(vars: &Vars<'_>) -> Context {
    let number = vars.first(&["BUILDKITE_BUILD_NUMBER", "BUILDKITE_BUILD_ID"]);
    Context {
        ci: Some("buildkite"),
        pipeline: vars.text("BUILDKITE_PIPELINE_SLUG"),
        run_id: number.map(|id| with_attempt(id, vars.text("BUILDKITE_RETRY_COUNT"), 0)),
        job: vars.text("BUILDKITE_LABEL"),
        run_url: vars.url("BUILDKITE_BUILD_URL"),
        branch: vars.text("BUILDKITE_BRANCH"),
        revision: vars.text("BUILDKITE_COMMIT").filter(|commit| commit != "HEAD"),
        base_branch: vars.text("BUILDKITE_PULL_REQUEST_BASE_BRANCH"),
        base_revision: None,
        change_id: vars.text("BUILDKITE_PULL_REQUEST").filter(|id| id != "false"),
        repository: vars.url("BUILDKITE_REPO"),
        environment: None,
        runner: vars.text("BUILDKITE_AGENT_META_DATA_QUEUE"),
    }
}

pub(super) fn jenkins(vars: &Vars<'_>) -> Context {
    Context {
        ci: Some("jenkins"),
        pipeline: vars.text("JOB_NAME"),
        run_id: vars.text("BUILD_NUMBER"),
        job: vars.text("STAGE_NAME"),
        run_url: vars.url("BUILD_URL"),
        branch: vars
            .first(&["CHANGE_BRANCH", "BRANCH_NAME", "GIT_BRANCH"])
            .map(|branch| branch.strip_prefix("origin/").unwrap_or(&branch).to_owned()),
        revision: vars.text("GIT_COMMIT"),
        base_branch: vars.text("CHANGE_TARGET"),
        base_revision: None,
        change_id: vars.text("CHANGE_ID"),
        repository: vars.url("GIT_URL"),
        environment: None,
        runner: None,
    }
}

pub(super) fn circle(vars: &Vars<'_>) -> Context {
    Context {
        ci: Some("circleci"),
        pipeline: vars.text("CIRCLE_PROJECT_REPONAME"),
        run_id: vars.text("CIRCLE_WORKFLOW_ID"),
        job: vars.text("CIRCLE_JOB"),
        run_url: vars.url("CIRCLE_BUILD_URL"),
        branch: vars.text("CIRCLE_BRANCH"),
        revision: vars.text("CIRCLE_SHA1"),
        base_branch: None,
        base_revision: None,
        change_id: vars.text("CIRCLE_PR_NUMBER"),
        repository: vars.url("CIRCLE_REPOSITORY_URL"),
        environment: None,
        runner: None,
    }
}

pub(super) fn azure(vars: &Vars<'_>) -> Context {
    let branch = |name: &str| vars.text(name).map(|r| r.strip_prefix("refs/heads/").unwrap_or(&r).to_owned());
    let id = vars.text("BUILD_BUILDID");
    let run_url = vars.url("SYSTEM_COLLECTIONURI").zip(vars.text("SYSTEM_TEAMPROJECT")).zip(id.as_ref()).map(
        |((server, project), id)| format!("{}/{project}/_build/results?buildId={id}", server.trim_end_matches('/')),
    );
    Context {
        ci: Some("azure"),
        pipeline: vars.text("BUILD_DEFINITIONNAME"),
        run_id: id.map(|id| with_attempt(id, vars.text("SYSTEM_JOBATTEMPT"), 1)),
        job: vars.text("SYSTEM_JOBDISPLAYNAME"),
        run_url,
        branch: branch("SYSTEM_PULLREQUEST_SOURCEBRANCH").or_else(|| branch("BUILD_SOURCEBRANCH")),
        revision: vars.text("BUILD_SOURCEVERSION"),
        base_branch: branch("SYSTEM_PULLREQUEST_TARGETBRANCH"),
        base_revision: None,
        change_id: vars.text("SYSTEM_PULLREQUEST_PULLREQUESTID"),
        repository: vars.url("BUILD_REPOSITORY_URI"),
        environment: None,
        runner: vars.text("AGENT_OS"),
    }
}

/// `id` for the first attempt, `id.N` for the later ones; `first` is the number of the first.
fn with_attempt(id: String, attempt: Option<String>, first: u32) -> String {
    match attempt.and_then(|text| text.parse::<u32>().ok()) {
        Some(attempt) if attempt > first => format!("{id}.{attempt}"),
        _ => id,
    }
}

fn join(left: Option<String>, right: Option<String>) -> Option<String> {
    match (left, right) {
        (Some(left), Some(right)) => Some(format!("{left}-{right}")),
        (left, right) => left.or(right),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_event_of_a_pull_request_names_both_commits() {
        let event = r#"{"pull_request":{"head":{"sha":"aaa1"},"base":{"sha":"bbb2"}},"token":"x"}"#;
        assert_eq!(github_revisions(event), (Some("aaa1".into()), Some("bbb2".into())));
        assert_eq!(github_revisions(r#"{"pull_request":{"head":{"sha":"not hex"}}}"#), (None, None));
        assert_eq!(github_revisions("[1"), (None, None));
    }
}
