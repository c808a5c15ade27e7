//! The texts of a NEC's SMDR port: what a client says and what a PBX says.
//!
//! `SYN | what it is, a digit | length of the body, five digits | body | parity`; the body begins with the number of the
//! device, two digits. Parity is over everything between SYN and itself: 00 where the PBX is set to none, the exclusive
//! or of the bytes (even), or its complement (odd). Texts of public clients are reproduced by odd parity; even parity is
//! inferred.

const SYN: u8 = 0x16;
const ACK: u8 = 0x06;
/// SYN, what it is, and the length.
const HEAD: usize = 7;
/// A record is 135 bytes; what claims more is no text.
const LONGEST: usize = 1024;

/// How the parity byte of a text is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// It is 00.
    None,
    /// The complement of the exclusive or.
    Odd,
    /// The exclusive or.
    Even,
}

impl Check {
    fn of(self, text: &[u8]) -> u8 {
        let sum = text.iter().fold(0, |sum, byte| sum ^ byte);
        match self {
            Check::None => 0,
            Check::Odd => !sum,
            Check::Even => sum,
        }
    }
}

/// What a client says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Say {
    /// Give me a record.
    Request,
    /// I have the record of this sequence number.
    Acknowledge(u8),
    /// I am still here.
    Here,
    /// I go.
    Release,
}

/// The bytes of what a client says to a PBX whose device number for it is `device`, two digits.
pub(super) fn say(what: Say, device: [u8; 2], check: Check) -> Vec<u8> {
    let (id, rest): (u8, &[u8]) = match &what {
        Say::Request => (b'1', &[]),
        Say::Acknowledge(sequence) => (b'4', &[*sequence, ACK]),
        Say::Here => (b'5', b"00\x06"),
        Say::Release => (b'6', &[ACK]),
    };
    let length = device.len().saturating_add(rest.len());
    let mut text = vec![SYN, id];
    text.extend_from_slice(format!("{length:05}").as_bytes());
    text.extend_from_slice(&device);
    text.extend_from_slice(rest);
    text.push(check.of(text.get(1..).unwrap_or_default()));
    text
}

/// What a PBX says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard<'a> {
    /// A record, by its sequence number, between STX and ETX.
    Data {
        /// The sequence number to acknowledge.
        sequence: u8,
        /// STX, the record, ETX.
        record: &'a [u8],
    },
    /// An answer to a request: 2 says that there is no record.
    Response(u8),
    /// It ends the link.
    Release,
    /// Some other text.
    Other,
}

/// What stands at the start of what came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut<'a> {
    /// A text whose parity is right.
    Text {
        /// What it says.
        heard: Heard<'a>,
        /// Its bytes, SYN and parity with them.
        length: usize,
        /// In which way its parity is right.
        check: Check,
    },
    /// A text of so many bytes whose parity is wrong.
    Damaged(usize),
    /// So many bytes that belong to no text.
    Stray(usize),
    /// Not enough yet.
    Short,
}

/// Looks at the start of `bytes`. A parity byte that is right in the way `known` is taken for that.
pub(super) fn cut(bytes: &[u8], known: Check) -> Cut<'_> {
    match bytes.iter().position(|byte| *byte == SYN) {
        None if bytes.is_empty() => return Cut::Short,
        None => return Cut::Stray(bytes.len()),
        Some(0) => {}
        Some(at) => return Cut::Stray(at),
    }
    let Some((head, rest)) = bytes.split_at_checked(HEAD) else { return Cut::Short };
    let (what, digits) = (head.get(1).copied().unwrap_or_default(), head.get(2..).unwrap_or_default());
    let size = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).unwrap_or(0);
    if !what.is_ascii_digit() || !digits.iter().all(u8::is_ascii_digit) || !(1..=LONGEST).contains(&size) {
        return Cut::Stray(1);
    }
    let (Some(body), Some(&parity)) = (rest.get(..size), rest.get(size)) else { return Cut::Short };
    let length = HEAD.saturating_add(size).saturating_add(1);
    let checked = bytes.get(1..length.saturating_sub(1)).unwrap_or_default();
    let right = |check: &Check| check.of(checked) == parity;
    let Some(check) = [known, Check::Odd, Check::Even, Check::None].into_iter().find(right) else {
        return Cut::Damaged(length);
    };
    let heard = match (what, body) {
        (b'2', [_, _, sequence, record @ ..]) => Heard::Data { sequence: *sequence, record },
        (b'3', [_, _, response, ..]) => Heard::Response(*response),
        (b'6', _) => Heard::Release,
        _ => Heard::Other,
    };
    Cut::Text { heard, length, check }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_says_is_what_public_clients_say() {
        let texts: [(Say, &[u8]); 4] = [
            (Say::Request, b"\x16100002\x30\x30\xFC"),
            (Say::Acknowledge(b'1'), b"\x16400004001\x06\xC8"),
            (Say::Release, b"\x1660000300\x06\xFC"),
            (Say::Here, b"\x16500005\x30\x30\x30\x30\x06\xF9"),
        ];
        for (what, text) in texts {
            assert_eq!(say(what, *b"00", Check::Odd), text, "{what:?}");
            let mut plain = text.to_vec();
            *plain.last_mut().unwrap() = 0;
            assert_eq!(say(what, *b"00", Check::None), plain);
            *plain.last_mut().unwrap() = !text[text.len() - 1];
            assert_eq!(say(what, *b"00", Check::Even), plain);
        }
    }

    #[test]
    fn what_a_pbx_says_is_cut_and_checked() {
        for check in [Check::None, Check::Odd, Check::Even] {
            let mut text = b"\x16200009005\x020!KA\x03".to_vec();
            text.push(check.of(&text[1..]));
            let heard = Heard::Data { sequence: b'5', record: b"\x020!KA\x03" };
            assert_eq!(cut(&text, check), Cut::Text { heard, length: 17, check });
            assert_eq!(cut(&text[..16], check), Cut::Short);
            text[10] ^= 1;
            if check != Check::None {
                assert_eq!(cut(&text, check), Cut::Damaged(17));
            }
        }
        let none = Cut::Text { heard: Heard::Response(b'2'), length: 11, check: Check::None };
        assert_eq!(cut(b"\x16300003002\0", Check::Odd), none);
        assert_eq!(cut(b"noise\x16", Check::Odd), Cut::Stray(5));
        assert_eq!(cut(b"\x16x", Check::Odd), Cut::Short);
        assert_eq!(cut(b"\x16x00003002\0", Check::Odd), Cut::Stray(1));
    }
}
