//! The password file that every client of PostgreSQL reads: `host:port:database:user:password` a line, `*` for any, `\` before
//! a colon or backslash of a part (PostgreSQL documentation, "The Password File").

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use zeroize::Zeroizing;

use super::address::{Address, Environment};

/// The password for a server, where the file has one. The file is `PGPASSFILE`, else `~/.pgpass` where there is one.
pub fn password(address: &Address, environment: Environment<'_>) -> Result<Option<Zeroizing<String>>, String> {
    let named = environment("PGPASSFILE").map(PathBuf::from);
    let of_home = || environment("HOME").map(|home| PathBuf::from(home).join(".pgpass")).filter(|path| path.exists());
    let Some(path) = named.or_else(of_home) else { return Ok(None) };
    let shown = path.display();
    let unread = |error: std::io::Error| format!("password file {shown}: {error}");
    let mode = std::fs::metadata(&path).map_err(unread)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(format!("password file {shown} can be read by others (mode {mode:o}); run: chmod 600 {shown}"));
    }
    let text = Zeroizing::new(std::fs::read_to_string(&path).map_err(unread)?);
    Ok(find(&text, address))
}

fn find(text: &str, address: &Address) -> Option<Zeroizing<String>> {
    let host = if address.is_socket() { "localhost" } else { &address.host };
    let port = address.port.to_string();
    let wanted = [host, &port, &address.database, &address.user];
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let mut rest = line;
        for wanted in wanted {
            let part;
            (part, rest) = cut(rest)?;
            if part != "*" && unescaped(part) != wanted {
                return None;
            }
        }
        let password = cut(rest).map_or(rest, |(password, _)| password);
        Some(Zeroizing::new(unescaped(password)))
    })
}

/// What stands before the first colon that no backslash precedes, and what behind it.
fn cut(text: &str) -> Option<(&str, &str)> {
    let mut escaped = false;
    let at = text.bytes().position(|byte| {
        let ends = byte == b':' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

fn unescaped(part: &str) -> String {
    let mut escaped = false;
    let kept = part.chars().filter(|letter| {
        escaped = *letter == '\\' && !escaped;
        !escaped
    });
    kept.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_fits_has_the_password() {
        let none = |_: &str| None;
        let address = |given: &str| Address::read(given, &none).unwrap();
        let file =
            "# a remark\ndb:5432:feed:other:no\ndb:5432:*:smdr:a\\:b\\\\c\n*:*:*:smdr:last\nlocalhost:*:*:*:near\n";
        for (given, expected) in [
            ("postgres://smdr@db/feed", Some("a:b\\c")),
            ("postgres://smdr@db:5433/feed", Some("last")),
            ("postgres://other@db/feed", Some("no")),
            ("postgres://another@/feed?host=/run/pg", Some("near")),
            ("postgres://another@db/feed", None),
        ] {
            let found = find(file, &address(given));
            assert_eq!(found.as_deref().map(String::as_str), expected, "{given}");
        }
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passfile");
        std::fs::write(&path, "*:*:*:*:geheim\n").unwrap();
        let environment = |name: &str| (name == "PGPASSFILE").then(|| path.to_str().unwrap().to_owned());
        let mode = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        mode(0o644);
        let said = Address::read("postgres://a@db/f", &environment).err().unwrap().to_string();
        assert!(said.contains("chmod 600") && !said.contains("geheim"), "{said}");
        mode(0o600);
        let read = Address::read("postgres://a@db/f", &environment).unwrap().password;
        assert_eq!(read.as_deref().map(String::as_str), Some("geheim"));
    }
}
