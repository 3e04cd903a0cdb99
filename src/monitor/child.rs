//! Starts the command in a process group of its own, and waits for it.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::thread;

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpgrp};
use tokio::sync::oneshot;

use super::terminal::Terminal;

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

/// An ending, and whether it came from the keyboard.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    pub(super) ending: Ending,
    /// The signal, where the command had the terminal and died of Ctrl-C or Ctrl-\\.
    pub(super) at_terminal: Option<Signal>,
}

/// A command that is under way.
pub(super) struct Child {
    pid: Pid,
    ended: oneshot::Receiver<io::Result<Ended>>,
}

impl Child {
    /// Starts `command`; the error says why it could not be started. With `adopt`, processes that lose
    /// their parent become children of this one, and are reaped.
    pub(super) fn spawn(command: &[OsString], variables: &[(String, String)], adopt: bool) -> io::Result<Self> {
        let Some((program, arguments)) = command.split_first() else {
            return Err(io::Error::from(io::ErrorKind::NotFound));
        };
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
            drop(sender.send(wait(pid, waited)));
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
    pub(super) async fn ended(&mut self) -> io::Result<Ended> {
        match (&mut self.ended).await {
            Ok(ended) => ended,
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

fn wait(pid: Pid, waited: Waited) -> io::Result<Ended> {
    let terminal = Terminal::open();
    if let Some(terminal) = &terminal {
        terminal.lend(pid);
    }
    let whom = if waited == Waited::All { Pid::from_raw(-1) } else { pid };
    let ending = loop {
        match waitpid(whom, Some(WaitPidFlag::WUNTRACED)) {
            Ok(WaitStatus::Exited(who, code)) if who == pid => break Ending::Exited(code),
            Ok(WaitStatus::Signaled(who, signal, _)) if who == pid => break Ending::Killed(signal),
            Ok(WaitStatus::Stopped(who, signal)) if who == pid => {
                // Without a terminal somebody else stopped it, and will wake it.
                if let Some(terminal) = &terminal {
                    terminal.stop_along(pid, signal);
                }
            }
            // An adopted process.
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(io::Error::from(errno)),
        }
    };
    let had_terminal = terminal.is_some_and(|terminal| terminal.take_back(pid));
    let at_terminal = match ending {
        Ending::Killed(signal @ (Signal::SIGINT | Signal::SIGQUIT)) if had_terminal => Some(signal),
        _ => None,
    };
    if let Some(signal) = at_terminal {
        // Ctrl-C is meant for the whole job; the terminal told only the command, which had it.
        let _ = killpg(getpgrp(), signal);
    }
    Ok(Ended { ending, at_terminal })
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

/// Ends this process by `signal`, as the command ended. Returns only where that is not possible.
pub(super) fn end_by(signal: i32) {
    // A shell around us looks at how we end: an exit code of 130 means to it that Ctrl-C was dealt with.
    // Becoming another program sets every signal back to its default.
    let _ = Command::new("/bin/sh").args(["-c", &format!("kill -{signal} $$")]).exec();
}
