//! Telnet's own bytes, taken out of what a PBX sends and answered as briefly as may be (RFC 854, RFC 855).

use serde::{Deserialize, Serialize};

const IAC: u8 = 0xFF;
const DONT: u8 = 0xFE;
const DO: u8 = 0xFD;
const WONT: u8 = 0xFC;
const WILL: u8 = 0xFB;
const SB: u8 = 0xFA;
const SE: u8 = 0xF0;

/// The options we let the other end do: to echo, and not to wait for a turn.
const LET: [u8; 2] = [1, 3];

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Part {
    #[default]
    Text,
    Command,
    Option(u8),
    Inside,
    InsideCommand,
}

/// Where in the stream of a link we are; a command may be cut anywhere.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Telnet {
    part: Part,
    /// What was answered already: an answer is never given twice, so two ends cannot go on answering each other.
    answered: Vec<(u8, u8)>,
}

impl Telnet {
    /// Takes the commands out of `bytes`: text goes to `text`, what to answer to `reply`.
    pub(super) fn read(&mut self, bytes: &[u8], text: &mut Vec<u8>, reply: &mut Vec<u8>) {
        for &byte in bytes {
            self.part = match (self.part, byte) {
                (Part::Text, IAC) => Part::Command,
                (Part::Text, _) => {
                    text.push(byte);
                    Part::Text
                }
                (Part::Command, IAC) => {
                    text.push(IAC);
                    Part::Text
                }
                (Part::Command, WILL | WONT | DO | DONT) => Part::Option(byte),
                (Part::Command, SB) => Part::Inside,
                (Part::Command, _) => Part::Text,
                (Part::Option(verb), option) => {
                    self.answer(verb, option, reply);
                    Part::Text
                }
                (Part::Inside, IAC) => Part::InsideCommand,
                (Part::InsideCommand, SE) => Part::Text,
                (Part::Inside | Part::InsideCommand, _) => Part::Inside,
            };
        }
    }

    fn answer(&mut self, verb: u8, option: u8, reply: &mut Vec<u8>) {
        let answer = match verb {
            WILL if LET.contains(&option) => DO,
            WILL => DONT,
            DO => WONT,
            // To a refusal nothing is owed.
            _ => return,
        };
        if !self.answered.contains(&(answer, option)) {
            self.answered.push((answer, option));
            reply.extend([IAC, answer, option]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_taken_out_wherever_the_stream_is_cut_and_answered_once() {
        let stream = b"\xff\xfb\x01-\xff\xfd\x18smdr\xff\xf1\r\xff\xfa\x18\x01\xff\xff\xff\xf0\xff\xffX\xff\xfb\x01\xff\xfb\x05\xff\xfc\x05";
        for cut in 0..stream.len() {
            let (mut text, mut reply, mut telnet) = (Vec::new(), Vec::new(), Telnet::default());
            telnet.read(&stream[..cut], &mut text, &mut reply);
            telnet.read(&stream[cut..], &mut text, &mut reply);
            assert_eq!(text, b"-smdr\r\xffX", "cut at {cut}");
            assert_eq!(reply, b"\xff\xfd\x01\xff\xfc\x18\xff\xfe\x05", "cut at {cut}");
        }
    }
}
