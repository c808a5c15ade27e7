//! Questions: each is answered by its flag or, on a terminal, by whoever sits there.

use std::io::Write as _;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios};
use zeroize::Zeroizing;

/// Ctrl-C, as a terminal sends it.
const INTERRUPT: u8 = 3;

/// Why set-up ends before its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stop {
    /// Nobody to ask, and no flag.
    #[error("{what} is not given: say it with {flag}, or run smdrd setup on a terminal")]
    Missing {
        /// What is asked for.
        what: String,
        /// Which flag answers it.
        flag: &'static str,
    },
    /// The flag's value cannot be used.
    #[error("{flag} {value:?}: {reason}")]
    Wrong {
        /// Which flag.
        flag: &'static str,
        /// Its value; never a secret.
        value: String,
        /// Why not, and what to do.
        reason: String,
    },
    /// The terminal is gone, or Ctrl-C.
    #[error("ended at the terminal; nothing was written")]
    Ended,
    /// Something does not work.
    #[error("{0}")]
    Failed(String),
}

/// A question.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question<'a> {
    /// As it stands before the colon.
    pub what: &'a str,
    /// The flag that answers it.
    pub flag: &'static str,
    /// What an empty line means.
    pub default: Option<&'a str>,
}

/// Whoever answers.
#[derive(Debug)]
pub(super) struct Ask {
    /// What is typed, line by line; nothing where no terminal is.
    typed: Option<Receiver<Zeroizing<String>>>,
    /// Whether standard output is kept for something else.
    aside: bool,
}

impl Ask {
    /// Asks on the terminal of standard input, or nobody. With `aside` nothing is said on standard output.
    pub fn new(on_terminal: bool, aside: bool) -> Ask {
        Ask { typed: on_terminal.then(read_lines), aside }
    }

    /// Drops what was typed when nothing was asked.
    pub fn forget_typed(&self) {
        while self.typed.as_ref().is_some_and(|typed| typed.try_recv().is_ok()) {}
    }

    /// Whether somebody is there.
    pub fn is_attended(&self) -> bool {
        self.typed.is_some()
    }

    /// Says something.
    pub fn say(&self, text: &str) {
        if self.aside {
            let _ = writeln!(std::io::stderr(), "{text}");
            return;
        }
        let mut out = std::io::stdout().lock();
        let _ = writeln!(out, "{text}");
        let _ = out.flush();
    }

    /// Opens a step.
    pub fn step(&self, title: &str) {
        self.say(&format!("\n== {title}"));
    }

    /// The answer, read by `read`; on a terminal a wrong one is said to be wrong, and asked for again.
    pub fn question<T>(
        &self,
        question: Question<'_>,
        given: Option<&str>,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, Stop> {
        let Question { what, flag, default } = question;
        if let Some(value) = given {
            let value = value.trim();
            return read(value).map_err(|reason| Stop::Wrong { flag, value: value.to_owned(), reason });
        }
        if !self.is_attended() {
            let value = default.ok_or_else(|| Stop::Missing { what: what.to_owned(), flag })?;
            return read(value).map_err(|reason| Stop::Wrong { flag, value: value.to_owned(), reason });
        }
        loop {
            let shown = default.filter(|text| !text.is_empty()).map(|text| format!(" [{text}]")).unwrap_or_default();
            self.prompt(&format!("{what}{shown}: "));
            let line = self.line()?;
            let answer = match (line.trim(), default) {
                ("", Some(default)) => default,
                ("", None) => continue,
                (answer, _) => answer,
            };
            match read(answer) {
                Ok(value) => return Ok(value),
                Err(reason) => self.say(&format!("  {reason}")),
            }
        }
    }

    /// Yes or no.
    pub fn yes(
        &self,
        what: &str,
        flag: &'static str,
        given: Option<bool>,
        default: Option<bool>,
    ) -> Result<bool, Stop> {
        if let Some(given) = given {
            return Ok(given);
        }
        let word = |yes: bool| if yes { "yes" } else { "no" };
        let question = Question { what: &format!("{what} (yes or no)"), flag, default: default.map(word) };
        self.question(question, None, |text| match text.to_ascii_lowercase().as_str() {
            "yes" | "y" => Ok(true),
            "no" | "n" => Ok(false),
            _ => Err("type yes or no".to_owned()),
        })
    }

    /// A secret, typed without being shown. Only where somebody is there.
    pub fn secret(&self, what: &str, flag: &'static str) -> Result<Zeroizing<String>, Stop> {
        if !self.is_attended() {
            return Err(Stop::Missing { what: what.to_owned(), flag });
        }
        let _hidden =
            Hidden::begin().map_err(|error| Stop::Failed(format!("this terminal cannot hide it: {error}")))?;
        self.prompt(&format!("{what} (it is not shown): "));
        let line = self.line();
        self.say("");
        Ok(Zeroizing::new(line?.trim().to_owned()))
    }

    /// A line, if one is typed within `wait`.
    pub fn typed(&self, wait: Duration) -> Result<Option<Zeroizing<String>>, Stop> {
        let Some(typed) = &self.typed else {
            std::thread::sleep(wait);
            return Ok(None);
        };
        match typed.recv_timeout(wait) {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(Stop::Ended),
        }
    }

    fn line(&self) -> Result<Zeroizing<String>, Stop> {
        self.typed.as_ref().and_then(|typed| typed.recv().ok()).ok_or(Stop::Ended)
    }

    fn prompt(&self, text: &str) {
        let mut out = std::io::stdout().lock();
        let _ = write!(out, "{text}");
        let _ = out.flush();
    }
}

/// Reads the terminal on a thread of its own, so that links can be listened to meanwhile. Ends, and with it the channel,
/// at the end of the input or at a Ctrl-C that reached it as a character.
fn read_lines() -> Receiver<Zeroizing<String>> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut buffer = Zeroizing::new([0u8; 4096]);
        let mut pending = Zeroizing::new(Vec::with_capacity(4096));
        loop {
            let read = match rustix::io::read(rustix::stdio::stdin(), &mut buffer[..]) {
                Err(rustix::io::Errno::INTR) => continue,
                Ok(0) | Err(_) => return,
                Ok(read) => read,
            };
            for byte in buffer.get(..read).unwrap_or_default() {
                match *byte {
                    INTERRUPT => return,
                    b'\n' => {
                        let line = Zeroizing::new(String::from_utf8_lossy(&pending).into_owned());
                        pending.clear();
                        if sender.send(line).is_err() {
                            return;
                        }
                    }
                    other => pending.push(other),
                }
            }
        }
    });
    receiver
}

/// While it lives, what is typed is not shown. Ctrl-C is taken as a character that ends the line: as a signal it would end
/// the program and leave the terminal blind.
struct Hidden(Termios);

impl Hidden {
    fn begin() -> std::io::Result<Hidden> {
        let before = rustix::termios::tcgetattr(rustix::stdio::stdin())?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO | LocalModes::ISIG);
        hidden.special_codes[SpecialCodeIndex::VEOL] = INTERRUPT;
        rustix::termios::tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &hidden)?;
        Ok(Hidden(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        let _ = rustix::termios::tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &self.0);
    }
}
