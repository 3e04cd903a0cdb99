//! The signals that are passed on to the command.

use std::fs;
use std::future::pending;
use std::io;

use nix::sys::signal::Signal;
use tokio::signal::unix::{self, SignalKind};

/// Listens for everything that a supervisor or a terminal sends to a job.
pub(super) struct Signals {
    interrupt: Listener,
    terminate: Listener,
    hangup: Listener,
    quit: Listener,
    user_1: Listener,
    user_2: Listener,
    window: Listener,
}

impl Signals {
    /// Begins to listen; from here on none of them ends this process. What is ignored already (`nohup`,
    /// a background job of a script) stays so, for us and for the command, which inherits it.
    pub(super) fn listen() -> io::Result<Self> {
        let ignored = ignored_signals();
        let listen = |signal: Signal| Listener::new(signal, ignored);
        Ok(Self {
            interrupt: listen(Signal::SIGINT)?,
            terminate: listen(Signal::SIGTERM)?,
            hangup: listen(Signal::SIGHUP)?,
            quit: listen(Signal::SIGQUIT)?,
            user_1: listen(Signal::SIGUSR1)?,
            user_2: listen(Signal::SIGUSR2)?,
            window: listen(Signal::SIGWINCH)?,
        })
    }

    /// The next signal. Cancel-safe.
    pub(super) async fn next(&mut self) -> Signal {
        tokio::select! {
            signal = self.interrupt.next() => signal,
            signal = self.terminate.next() => signal,
            signal = self.hangup.next() => signal,
            signal = self.quit.next() => signal,
            signal = self.user_1.next() => signal,
            signal = self.user_2.next() => signal,
            signal = self.window.next() => signal,
        }
    }
}

/// Whether this signal asks a program to end.
pub(super) fn asks_to_end(signal: Signal) -> bool {
    matches!(signal, Signal::SIGINT | Signal::SIGTERM | Signal::SIGHUP | Signal::SIGQUIT)
}

struct Listener {
    signal: Signal,
    source: Option<unix::Signal>,
}

impl Listener {
    fn new(signal: Signal, ignored: u64) -> io::Result<Self> {
        let number = signal as i32;
        let is_ignored = ignored >> (number - 1) & 1 == 1;
        let source = if is_ignored { None } else { Some(unix::signal(SignalKind::from_raw(number))?) };
        Ok(Self { signal, source })
    }

    async fn next(&mut self) -> Signal {
        if let Some(source) = &mut self.source
            && source.recv().await.is_some()
        {
            return self.signal;
        }
        pending().await
    }
}

/// A bit for each signal that this process ignores, signal 1 in the lowest; 0 where the system does not say.
fn ignored_signals() -> u64 {
    parse_ignored(&fs::read_to_string("/proc/self/status").unwrap_or_default())
}

fn parse_ignored(status: &str) -> u64 {
    let field = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    field.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_read_from_the_status() {
        let ignored = parse_ignored("Name:\tx\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\n");
        assert_eq!(ignored, 1 << (Signal::SIGHUP as i32 - 1) | 1 << (Signal::SIGPIPE as i32 - 1));
        assert_eq!(parse_ignored("nothing"), 0);
    }

    #[tokio::test]
    async fn an_ignored_signal_is_not_listened_to() {
        let ignored = 1 << (Signal::SIGHUP as i32 - 1);
        assert!(Listener::new(Signal::SIGHUP, ignored).expect("listens").source.is_none());
        assert!(Listener::new(Signal::SIGWINCH, ignored).expect("listens").source.is_some());
    }
}
