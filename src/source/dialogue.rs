//! A log-in that is a conversation: the PBX prompts, we answer, and then records come.
//!
//! Panasonic KX, port 2300: `-`, to which we say `SMDR`; `Enter Password:`, to which we say the password; some versions
//! ask `Login:` and `Password:`. Prompts have no line end, come in pieces and may not come at all: after a silence we
//! go on as if they had, as clients in the field do. What shows that we are in is a record or a page title. A wrong
//! password may lock the port, so after a refusal nothing more is said on the link.
//!
//! Sources: the KX-NS700 manual (SMDR over LAN) and public clients and emulators of the port.

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

/// The user that the manual names.
const USER: &[u8] = b"SMDR\r\n";

/// No prompt is longer; what is behind it on a line does not matter.
const TAIL: usize = 80;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Step {
    /// Nothing was said yet.
    Greet,
    /// The user was said.
    Named,
    /// The password was said.
    Sent,
    /// Records come.
    In,
    /// The PBX does not take what we said.
    Refused,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Prompt {
    User,
    Password,
}

/// A conversation, and the password for it.
pub(super) struct Dialogue {
    password: Zeroizing<String>,
    at: DialogueState,
}

/// Where a conversation stands.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DialogueState {
    step: Step,
    /// The password was said without having been asked for.
    #[serde(default)]
    unasked: bool,
    /// The line that is coming, in lower case.
    #[serde(default)]
    tail: Vec<u8>,
}

impl DialogueState {
    /// Records come.
    pub(super) fn through() -> DialogueState {
        DialogueState { step: Step::In, unasked: false, tail: Vec::new() }
    }
}

impl Drop for DialogueState {
    fn drop(&mut self) {
        // What comes after the prompts is a record.
        self.tail.zeroize();
    }
}

impl std::fmt::Debug for DialogueState {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(to, "{:?}", self.step)
    }
}

impl Dialogue {
    pub(super) fn new(password: Zeroizing<String>) -> Dialogue {
        Dialogue { password, at: DialogueState { step: Step::Greet, unasked: false, tail: Vec::new() } }
    }

    /// Goes on where it stood before a restart.
    pub(super) fn at(self, at: DialogueState) -> Dialogue {
        Dialogue { at, ..self }
    }

    /// Where it stands.
    pub(super) fn state(&self) -> &DialogueState {
        &self.at
    }

    /// Whether the PBX has turned us away.
    pub(super) fn refused(&self) -> bool {
        self.at.step == Step::Refused
    }

    /// Whether a silence would mean something.
    pub(super) fn listens(&self) -> bool {
        !matches!(self.at.step, Step::In | Step::Refused)
    }

    /// Whether an end of the link now is an answer to the password.
    pub(super) fn waits_for_verdict(&self) -> bool {
        self.at.step == Step::Sent
    }

    /// Whether records come.
    pub(super) fn is_in(&self) -> bool {
        self.at.step == Step::In
    }

    /// Takes in what the PBX says; what to say goes to `reply`. Answers with how many bytes were heard when it became
    /// clear that nothing more has to be said.
    pub(super) fn hear(&mut self, text: &[u8], reply: &mut Vec<u8>) -> usize {
        for (at, &byte) in text.iter().enumerate() {
            if !self.listens() {
                return at;
            }
            match byte {
                b'\r' | b'\n' | 0x0C => {
                    self.line();
                    self.at.tail.clear();
                }
                0x20..=0x7E if self.at.tail.len() < TAIL => self.at.tail.push(byte.to_ascii_lowercase()),
                _ => {}
            }
            if self.is_record() {
                self.at.step = Step::In;
            }
        }
        match (self.at.step, self.prompt()) {
            (Step::Greet, Some(Prompt::User)) => self.say_user(reply),
            (Step::Greet | Step::Named, Some(Prompt::Password)) => self.say_password(reply),
            (Step::Sent, Some(Prompt::Password)) if !self.at.unasked => self.at.step = Step::Refused,
            // A hyphen may be the beginning of a rule under a page title: only a silence behind it tells.
            _ => {}
        }
        text.len()
    }

    /// Nothing came for a while.
    pub(super) fn silence(&mut self, reply: &mut Vec<u8>) {
        match (self.at.step, self.prompt()) {
            (Step::Greet, _) => self.say_user(reply),
            (Step::Named, Some(Prompt::User)) => self.at.step = Step::Refused,
            (Step::Named, _) => {
                self.say_password(reply);
                self.at.unasked = true;
            }
            // It asks only now for what was said into its silence.
            (Step::Sent, Some(Prompt::Password)) if self.at.unasked => self.say_password(reply),
            (Step::Sent, Some(_)) => self.at.step = Step::Refused,
            _ => {}
        }
    }

    fn say_user(&mut self, reply: &mut Vec<u8>) {
        self.at.step = Step::Named;
        self.at.tail.clear();
        reply.extend_from_slice(USER);
    }

    fn say_password(&mut self, reply: &mut Vec<u8>) {
        self.at.step = Step::Sent;
        self.at.unasked = false;
        self.at.tail.clear();
        reply.extend_from_slice(self.password.as_bytes());
        reply.extend_from_slice(b"\r\n");
    }

    /// A whole line has come.
    fn line(&mut self) {
        let line = String::from_utf8_lossy(&self.at.tail);
        let says = |words: &[&str]| words.iter().any(|word| line.contains(word));
        if matches!(self.at.step, Step::Named | Step::Sent)
            && says(&["incorrect", "invalid", "wrong", "denied", "fail", "no such", "locked"])
        {
            self.at.step = Step::Refused;
        }
    }

    fn prompt(&self) -> Option<Prompt> {
        let tail = self.at.tail.trim_ascii();
        if tail.ends_with(b"password:") {
            Some(Prompt::Password)
        } else if tail == b"-"
            || [&b"login:"[..], b"user:", b"username:", b"user name:"].iter().any(|end| tail.ends_with(end))
        {
            Some(Prompt::User)
        } else {
            None
        }
    }

    /// A date, or the title over one.
    fn is_record(&self) -> bool {
        let line = self.at.tail.trim_ascii_start();
        let date = |line: &[u8]| {
            line.iter().take(9).enumerate().all(|(at, byte)| match at {
                2 | 5 => *byte == b'/',
                8 => *byte == b' ',
                _ => byte.is_ascii_digit() || *byte == b'*',
            })
        };
        line.len() >= 9 && (date(line) || line.starts_with(b"date     "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialogue() -> Dialogue {
        Dialogue::new(Zeroizing::new("PCCSMDR".to_owned()))
    }

    /// Says each piece in turn, `None` being a silence; gives all that was answered.
    fn play(dialogue: &mut Dialogue, pieces: &[Option<&str>]) -> String {
        let mut reply = Vec::new();
        for piece in pieces {
            match piece {
                Some(text) => drop(dialogue.hear(text.as_bytes(), &mut reply)),
                None => dialogue.silence(&mut reply),
            }
        }
        String::from_utf8(reply).unwrap()
    }

    const BOTH: &str = "SMDR\r\nPCCSMDR\r\n";

    #[test]
    fn prompts_are_answered_whole_or_in_pieces() {
        let whole = [Some("-"), Some("smdr\r\rEnter Password:"), Some("*******\r"), Some("  Date     Time")];
        let other = [Some("Login: "), Some("SMDR\r\nPassword: "), Some("\r\n"), Some("01/02/07 20:12 ")];
        for pieces in [whole, other] {
            let mut dialogue = dialogue();
            assert_eq!(play(&mut dialogue, &pieces), BOTH);
            assert!(!dialogue.listens() && !dialogue.refused());
        }
        let mut dialogue = dialogue();
        let letters: Vec<String> =
            "\r\n-smdr\r\rEnter Password:*******\r\n".chars().map(|letter| letter.to_string()).collect();
        let pieces: Vec<_> = letters.iter().map(|letter| Some(letter.as_str())).collect();
        assert_eq!(play(&mut dialogue, &pieces), BOTH);
        assert!(dialogue.listens());
    }

    #[test]
    fn a_refusal_is_noticed_and_nothing_more_is_said() {
        for answer in [
            &[Some("*******\r\nEnter Password:")][..],
            &[Some("*******\r\n"), Some("-"), None],
            &[Some("\r\nLogin incorrect\r\n")],
        ] {
            let mut dialogue = dialogue();
            assert_eq!(play(&mut dialogue, &[Some("-"), Some("Enter Password:")]), BOTH);
            assert_eq!(play(&mut dialogue, answer), "");
            assert!(dialogue.refused(), "{answer:?}");
            assert_eq!(play(&mut dialogue, &[Some("\r\n-"), None, None]), "");
        }
        let mut dialogue = dialogue();
        assert_eq!(play(&mut dialogue, &[Some("-"), Some("smdr\r\n-"), None]), "SMDR\r\n");
        assert!(dialogue.refused(), "the user was not taken");
    }

    #[test]
    fn a_rule_of_hyphens_is_no_prompt() {
        let mut dialogue = dialogue();
        assert_eq!(play(&mut dialogue, &[Some("-"), Some("Enter Password:"), Some("\r\n-"), Some("---")]), BOTH);
        assert!(!dialogue.refused());
        assert_eq!(play(&mut dialogue, &[None, Some("-\r\n01/02/07 20:12 ")]), "");
        assert!(!dialogue.listens());
    }

    #[test]
    fn into_a_silence_everything_is_said_once_and_again_only_when_it_is_asked_for() {
        let mut dialogue = dialogue();
        assert_eq!(play(&mut dialogue, &[None, None, None, None]), BOTH);
        assert!(!dialogue.refused());
        assert_eq!(play(&mut dialogue, &[Some("-"), Some("\r\nEnter Password:")]), "");
        assert_eq!(play(&mut dialogue, &[None]), "PCCSMDR\r\n");
        assert_eq!(play(&mut dialogue, &[Some("Enter Password:")]), "");
        assert!(dialogue.refused());
    }

    #[test]
    fn a_pbx_that_wants_no_log_in_is_told_nothing() {
        let mut dialogue = dialogue();
        assert_eq!(play(&mut dialogue, &[Some("\x0c\r\n  Date     Time    Ext"), None]), "");
        assert!(!dialogue.listens());
    }
}
