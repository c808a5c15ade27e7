//! Log-ins that a PBX wants before it sends records.

use std::fmt;

use zeroize::Zeroizing;

/// What to send right after connecting.
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
}

impl Login {
    /// The log-in of that name, as dialect files name it; nothing when there is no such log-in.
    pub fn named(name: &str, password: Zeroizing<String>) -> Option<Login> {
        match name {
            "mitel-5000" => Some(Login::Mitel5000 { password }),
            _ => None,
        }
    }

    /// The bytes to send.
    pub fn greeting(&self) -> Zeroizing<Vec<u8>> {
        let Login::Mitel5000 { password } = self;
        let body = 2 + password.len() as u32;
        let mut frame = Zeroizing::new(Vec::with_capacity(password.len() + 6));
        frame.extend_from_slice(&body.to_le_bytes());
        frame.push(0x84);
        frame.extend_from_slice(password.as_bytes());
        frame.push(0x00);
        frame
    }

    /// Why the password cannot be sent, if it cannot.
    pub(super) fn fault(&self) -> Option<&'static str> {
        let Login::Mitel5000 { password } = self;
        if password.len() > 15 {
            Some("is longer than 15 characters, the most a Mitel 5000 takes")
        } else if !password.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
            Some("holds a character that is not plain ASCII, which a Mitel 5000 cannot take")
        } else {
            None
        }
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Login::Mitel5000 { .. } => to.write_str("Mitel5000"),
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
}
