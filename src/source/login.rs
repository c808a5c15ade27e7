//! Log-ins that a PBX wants before it sends records.

use std::fmt;

use zeroize::Zeroizing;

use super::accounting;
use super::dialogue::Dialogue;
use super::nec::Check;
use crate::config;

/// The port of SMDR on a NEC; it cannot be changed.
const NEC_PORT: u16 = 60010;

/// The password that a Panasonic KX has until it is given another.
const PANASONIC_DEFAULT: &str = "PCCSMDR";

/// How to log in after connecting.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Login {
    /// Inter-Tel 5000, Axxess and Mitel 5000. One frame: the length of what follows in four bytes, least significant
    /// first; 84 (SMDR); the password, at most 15 characters; 00. Source: the vendor's protocol note and its two public
    /// clients.
    Mitel5000 {
        /// Empty when the PBX has none.
        password: Zeroizing<String>,
    },
    /// OmniPCX Enterprise: tickets are asked for, and tests answered; there is no password.
    AlcatelOxe,
    /// Panasonic KX over its LAN port: a conversation over Telnet, user SMDR.
    PanasonicKx {
        /// Empty for the one it is delivered with.
        password: Zeroizing<String>,
    },
    /// NEC's SMDR port: no log-in, but records are asked for and acknowledged.
    Nec {
        /// How parity is made, where that is set.
        check: Option<Check>,
    },
}

impl Login {
    /// The log-in of that name, as dialect files name it; nothing when there is no such log-in.
    pub fn named(name: &str, password: Zeroizing<String>) -> Option<Login> {
        match name {
            "mitel-5000" => Some(Login::Mitel5000 { password }),
            "panasonic-kx" => Some(Login::PanasonicKx { password }),
            "alcatel-oxe" => Some(Login::AlcatelOxe),
            _ => None,
        }
    }

    /// What a NEC's SMDR port wants: on TCP port 60010, or where the option `framing` says so. On another port there may be
    /// a terminal server with the PBX's serial line behind it.
    pub(super) fn of_nec(source: &config::Source, port: u16) -> Option<Login> {
        let option = |name: &str| source.options.get(name).map_or("auto", String::as_str);
        let asked = match option("framing") {
            "tcp60010" => true,
            "auto" => port == NEC_PORT,
            _ => false,
        };
        let check = match option("parity") {
            "none" => Some(Check::None),
            "odd" => Some(Check::Odd),
            "even" => Some(Check::Even),
            _ => None,
        };
        (source.dialect.get_ref() == "nec-sv8300" && asked).then_some(Login::Nec { check })
    }

    /// The bytes to send right after connecting; none where the PBX speaks first.
    pub fn greeting(&self) -> Zeroizing<Vec<u8>> {
        let password = match self {
            Login::Mitel5000 { password } => password,
            Login::AlcatelOxe => return Zeroizing::new(accounting::HELLO.to_vec()),
            Login::PanasonicKx { .. } | Login::Nec { .. } => return Zeroizing::default(),
        };
        let body = 2 + password.len() as u32;
        let mut frame = Zeroizing::new(Vec::with_capacity(password.len() + 6));
        frame.extend_from_slice(&body.to_le_bytes());
        frame.push(0x84);
        frame.extend_from_slice(password.as_bytes());
        frame.push(0x00);
        frame
    }

    /// The conversation to have, where it is one.
    pub(super) fn dialogue(&self) -> Option<Dialogue> {
        let Login::PanasonicKx { password } = self else { return None };
        let default = || Zeroizing::new(PANASONIC_DEFAULT.to_owned());
        Some(Dialogue::new(if password.is_empty() { default() } else { password.clone() }))
    }

    /// Why the password cannot be sent, if it cannot.
    pub(super) fn fault(&self) -> Option<&'static str> {
        let plain = |password: &str| password.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
        match self {
            Login::Mitel5000 { password } if password.len() > 15 => {
                Some("is longer than 15 characters, the most a Mitel 5000 takes")
            }
            Login::Mitel5000 { password } if !plain(password) => {
                Some("holds a character that is not plain ASCII, which a Mitel 5000 cannot take")
            }
            Login::PanasonicKx { password } if password.len() > 64 => {
                Some("is longer than 64 characters; no Panasonic takes that")
            }
            Login::PanasonicKx { password } if !plain(password) => {
                Some("holds a character that is not plain ASCII, which a Panasonic cannot take")
            }
            _ => None,
        }
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Login::Mitel5000 { .. } => to.write_str("Mitel5000"),
            Login::PanasonicKx { .. } => to.write_str("PanasonicKx"),
            Login::Nec { check } => write!(to, "Nec({check:?})"),
            Login::AlcatelOxe => to.write_str("AlcatelOxe"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frames_of_the_vendors_note() {
        let login = |password: &str| Login::named("mitel-5000", Zeroizing::new(password.to_owned())).unwrap();
        assert_eq!(login("").greeting().as_slice(), [2, 0, 0, 0, 0x84, 0]);
        assert_eq!(login("12345678").greeting().as_slice(), b"\x0A\0\0\0\x8412345678\0");
        assert!(login("1234567890123456").fault().is_some());
        assert!(login("pass\nword").fault().is_some());
        assert_eq!(format!("{:?}", login("secret")), "Mitel5000");
    }

    #[test]
    fn a_panasonic_speaks_first_and_has_a_password_of_its_own() {
        let login = |password: &str| Login::named("panasonic-kx", Zeroizing::new(password.to_owned())).unwrap();
        assert!(login("").greeting().is_empty());
        for (password, said) in [("", "PCCSMDR\r\n"), ("12345", "12345\r\n")] {
            let mut reply = Vec::new();
            login(password).dialogue().unwrap().hear(b"Enter Password:", &mut reply);
            assert_eq!(reply, said.as_bytes());
        }
        assert!(login("pass\nword").fault().is_some() && login("12345").fault().is_none());
        assert_eq!(format!("{:?}", login("secret")), "PanasonicKx");
    }
}
