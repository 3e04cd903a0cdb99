//! Asks git for the branch, the commit and the remote where no CI system says them.

use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::context::{Context, without_user};

/// Longest time that one git call may take.
const DEADLINE: Duration = Duration::from_secs(1);
/// Longest answer that is read, in bytes.
const ANSWER_BYTES_MAX: u64 = 4096;

/// Branch, revision and repository of the working directory; empty outside a repository.
/// Blocks for at most a few seconds.
pub(super) fn read_context() -> Context {
    let Some(revision) = ask(&["rev-parse", "HEAD"]) else {
        return Context::default();
    };
    Context {
        revision: Some(revision),
        // A detached HEAD has no branch: unknown, not a branch named HEAD.
        branch: ask(&["rev-parse", "--abbrev-ref", "HEAD"]).filter(|branch| branch != "HEAD"),
        repository: ask(&["config", "--get", "remote.origin.url"]).map(|url| without_user(&url)),
        ..Context::default()
    }
}

fn ask(arguments: &[&str]) -> Option<String> {
    let mut child = Command::new("git")
        .args(arguments)
        .env("GIT_OPTIONAL_LOCKS", "0")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let stdout = child.stdout.take()?;
    let (sender, receiver) = mpsc::sync_channel(1);
    let reader = thread::Builder::new().name("perfline-git".to_owned()).spawn(move || {
        let mut text = String::new();
        let read = stdout.take(ANSWER_BYTES_MAX).read_to_string(&mut text);
        // The receiver is gone after the deadline: the answer is then of no use.
        drop(sender.send(read.map(|_| text)));
    });
    let answer = reader.ok().and_then(|_| receiver.recv_timeout(DEADLINE).ok());
    if answer.is_none() {
        // A git that hangs (a dead network mount) must not hold the command back.
        drop(child.kill());
    }
    let status = child.wait().ok()?;
    let text = answer?.ok()?.trim().to_owned();
    (status.success() && !text.is_empty()).then_some(text)
}
