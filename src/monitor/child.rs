//! Starts the command in a process group of its own, waits for it, keeps the terminal sane.

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::thread;

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal, killpg, raise};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpgrp, tcgetpgrp, tcsetpgrp};
use tokio::sync::oneshot;

/// How the command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By itself, with this code.
    Exited(i32),
    /// By this signal.
    Killed(Signal),
    /// It never began: 127 not found, 126 not executable.
    NotStarted(i32),
}

impl Ending {
    /// What a shell would report.
    #[must_use]
    pub fn exit_code(self) -> i32 {
        match self {
            Self::Exited(code) | Self::NotStarted(code) => code,
            Self::Killed(signal) => 128 + signal as i32,
        }
    }
}

/// A command that is under way.
pub(super) struct Child {
    pid: Pid,
    ended: oneshot::Receiver<io::Result<Ending>>,
}

impl Child {
    /// Starts `command`; the error says why it could not be started. With `adopt`, processes that lose
    /// their parent become children of this one, and are reaped.
    pub(super) fn spawn(command: &[OsString], variables: &[(String, String)], adopt: bool) -> io::Result<Self> {
        let Some((program, arguments)) = command.split_first() else {
            return Err(io::Error::from(io::ErrorKind::NotFound));
        };
        let has_terminal = io::stdin().is_terminal();
        let waited = if adopt && become_reaper() { Waited::All } else { Waited::Command };
        let child = Command::new(program)
            .args(arguments)
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .process_group(0)
            .spawn()?;
        let pid = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?);
        let (sender, ended) = oneshot::channel();
        thread::Builder::new().name("perfline-wait".to_owned()).spawn(move || {
            // The receiver is gone only when the whole run was dropped.
            drop(sender.send(wait(pid, waited, has_terminal)));
        })?;
        Ok(Self { pid, ended })
    }

    pub(super) fn id(&self) -> u32 {
        self.pid.as_raw().unsigned_abs()
    }

    /// The sender of signals to the whole group.
    pub(super) fn group(&self) -> Group {
        Group(self.pid)
    }

    /// Resolves once the command has ended. Cancel-safe.
    pub(super) async fn ended(&mut self) -> io::Result<Ending> {
        match (&mut self.ended).await {
            Ok(ending) => ending,
            Err(_) => Err(io::Error::other("the waiting thread was lost")),
        }
    }
}

/// The command's process group.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group(Pid);

impl Group {
    /// Passes a signal on. A group that has ended is no error: the wait will tell.
    pub(super) fn send(self, signal: Signal) {
        let _ = killpg(self.0, signal);
    }
}

/// Whom the waiting thread waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waited {
    Command,
    All,
}

#[cfg(target_os = "linux")]
fn become_reaper() -> bool {
    nix::sys::prctl::set_child_subreaper(true).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn become_reaper() -> bool {
    false
}

fn wait(pid: Pid, waited: Waited, has_terminal: bool) -> io::Result<Ending> {
    // Handing the terminal over from the background raises SIGTTOU, which would stop us.
    let mut mask = SigSet::empty();
    mask.add(Signal::SIGTTOU);
    let _ = mask.thread_block();
    if has_terminal && is_foreground(getpgrp()) {
        // The command may have touched the terminal before it was given it, and stopped: wake it.
        give_terminal(pid);
        let _ = killpg(pid, Signal::SIGCONT);
    }
    let ending = loop {
        let whom = if waited == Waited::All { Pid::from_raw(-1) } else { pid };
        match waitpid(whom, Some(WaitPidFlag::WUNTRACED)) {
            Ok(WaitStatus::Exited(who, code)) if who == pid => break Ok(Ending::Exited(code)),
            Ok(WaitStatus::Signaled(who, signal, _)) if who == pid => break Ok(Ending::Killed(signal)),
            Ok(WaitStatus::Stopped(who, signal)) if who == pid && has_terminal => stop_along(pid, signal),
            // An adopted process; or one that stopped without a terminal, which somebody else will wake.
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => break Err(io::Error::from(errno)),
        }
    };
    if has_terminal && is_foreground(pid) {
        give_terminal(getpgrp());
    }
    ending
}

/// The user pressed Ctrl-Z (or the command read from a terminal that it does not have): stop as well,
/// so that the shell gets its prompt, and wake the command when the shell wakes us.
fn stop_along(pid: Pid, signal: Signal) {
    let wants_terminal = matches!(signal, Signal::SIGTTIN | Signal::SIGTTOU);
    let already_ours = is_foreground(getpgrp());
    if !(wants_terminal && already_ours) {
        if is_foreground(pid) {
            give_terminal(getpgrp());
        }
        // SIGTTOU is blocked in this thread; any of the others stops the whole process here.
        let _ = raise(if signal == Signal::SIGTTOU { Signal::SIGTTIN } else { signal });
    }
    if is_foreground(getpgrp()) {
        give_terminal(pid);
    }
    let _ = killpg(pid, Signal::SIGCONT);
}

fn is_foreground(group: Pid) -> bool {
    tcgetpgrp(io::stdin()).is_ok_and(|foreground| foreground == group)
}

fn give_terminal(group: Pid) {
    // A group that has just ended cannot take it; then it stays where it is.
    let _ = tcsetpgrp(io::stdin(), group);
}

/// The exit code and the words for a command that could not be started.
pub(super) fn explain_start(program: &str, error: &io::Error) -> (i32, String) {
    let exists = program.contains('/') && std::path::Path::new(program).exists();
    match error.kind() {
        io::ErrorKind::NotFound if exists => {
            (127, format!("`{program}` cannot be started: the interpreter in its first line was not found"))
        }
        io::ErrorKind::NotFound => (127, format!("`{program}`: command not found")),
        io::ErrorKind::PermissionDenied => (126, format!("`{program}` is not executable: permission denied")),
        _ => (126, format!("`{program}` cannot be executed: {error}")),
    }
}
