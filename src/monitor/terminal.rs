//! The controlling terminal: handed to the command, and taken back.

use std::fs::{File, OpenOptions};

use nix::sys::signal::{SigSet, Signal, killpg};
use nix::unistd::{Pid, getpgrp, tcgetpgrp, tcsetpgrp};

/// The terminal that this process was started from.
pub(super) struct Terminal(File);

impl Terminal {
    /// Opens it. `None` without one: in CI, in a service. Not standard input, which may be a pipe while the
    /// command still talks to the terminal.
    pub(super) fn open() -> Option<Self> {
        OpenOptions::new().read(true).write(true).open("/dev/tty").ok().map(Self)
    }

    /// Gives it to `group`, where our own group has it. To be called in the thread that waits.
    pub(super) fn lend(&self, group: Pid) {
        // Handing it over from the background raises SIGTTOU, which would stop us.
        let mut mask = SigSet::empty();
        mask.add(Signal::SIGTTOU);
        let _ = mask.thread_block();
        if self.belongs_to(getpgrp()) {
            self.give(group);
            // The command may have touched the terminal before it was its own, and stopped: wake it.
            let _ = killpg(group, Signal::SIGCONT);
        }
    }

    /// Takes it back from `group`; says whether `group` had it.
    pub(super) fn take_back(&self, group: Pid) -> bool {
        let lent = self.belongs_to(group);
        if lent {
            self.give(getpgrp());
        }
        lent
    }

    /// The command was stopped: by Ctrl-Z, or as it reads from a terminal that is not its own. Our whole job
    /// stops as well, so that the shell gets its prompt, and wakes the command when the shell wakes us.
    pub(super) fn stop_along(&self, group: Pid, signal: Signal) {
        let wants_terminal = matches!(signal, Signal::SIGTTIN | Signal::SIGTTOU);
        if !(wants_terminal && self.belongs_to(getpgrp())) {
            self.take_back(group);
            // SIGTTOU is blocked in this thread; each of the others stops us here.
            let _ = killpg(getpgrp(), if signal == Signal::SIGTTOU { Signal::SIGTTIN } else { signal });
        }
        if self.belongs_to(getpgrp()) {
            self.give(group);
        }
        let _ = killpg(group, Signal::SIGCONT);
    }

    fn belongs_to(&self, group: Pid) -> bool {
        tcgetpgrp(&self.0).is_ok_and(|foreground| foreground == group)
    }

    fn give(&self, group: Pid) {
        // A group that has just ended cannot take it; then it stays where it is.
        let _ = tcsetpgrp(&self.0, group);
    }
}
