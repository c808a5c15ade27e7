//! Where the server is and who we are there: the address given, the environment that every client of PostgreSQL knows
//! (`PGHOST`, `PGPORT`, `PGUSER`, `PGDATABASE`, `PGPASSWORD`, `PGPASSFILE`, `PGSSLMODE`, `PGSSLROOTCERT`), the password
//! file. What is written out wins over the environment.

use std::path::PathBuf;

use reqwest::Url;
use zeroize::Zeroizing;

use super::super::ArchiveError;
use super::passfile;

/// Where a server on this machine listens if nobody says otherwise.
const SOCKETS: &str = "/var/run/postgresql";
/// Connections of one receiver, if nobody says otherwise.
const CONNECTIONS: usize = 8;

/// A server's address, whole.
pub struct Address {
    /// A name, an IP address, or the directory of its socket.
    pub host: String,
    /// TCP port, or the number in the socket's name.
    pub port: u16,
    /// Role.
    pub user: String,
    /// Database.
    pub database: String,
    /// The role's password, where one was given.
    pub password: Option<Zeroizing<String>>,
    /// How the connection is encrypted; nothing where it is not.
    pub tls: Option<Trust>,
    /// How many connections are held at most.
    pub connections: usize,
}

/// Whose certificates are trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// Those that the system trusts.
    System,
    /// Those of a file.
    Roots(PathBuf),
}

/// The environment, by name.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Address {
    /// Reads what was given to `--store`.
    pub fn read(given: &str, environment: Environment<'_>) -> Result<Address, ArchiveError> {
        let parts = Parts::of(given);
        let shown = parts.shown();
        let wrong = |reason: String| wrong(&shown, reason);
        if parts.user.contains(':') {
            let said = "everyone on this machine can read a password on the command line; put it into PGPASSWORD, or \
                        into ~/.pgpass as HOST:PORT:DATABASE:USER:PASSWORD";
            return Err(wrong(said.to_owned()));
        }
        let mut options = Options::default();
        // What stands behind the ? is written as in any URL.
        let query = Url::parse(&format!("options:?{}", parts.query)).map_err(|error| wrong(error.to_string()))?;
        for (name, value) in query.query_pairs() {
            options.take(&name, value.into_owned()).map_err(wrong)?;
        }
        // What stands before it is taken as it is; the rare rest goes behind the ?.
        let plain = |part: &str, instead: &str| match part {
            "" => Ok(None),
            part if part.contains('%') => Err(wrong(format!("{part} has a % in it; write it behind a ? as {instead}"))),
            part => Ok(Some(part.to_owned())),
        };
        let host = parts.host.replace("%2F", "/").replace("%2f", "/");
        let host = options.host.or(plain(&host, "host=…")?).or_else(|| environment("PGHOST"));
        let host = host.unwrap_or_else(|| SOCKETS.to_owned());
        let port = match (options.port, parts.port, environment("PGPORT")) {
            (Some(port), ..) => port,
            (None, "", None) => 5432,
            (None, "", Some(port)) => port.parse().map_err(|_| wrong(format!("PGPORT is {port:?}, no port")))?,
            (None, port, _) => port.parse().map_err(|_| wrong("what stands as the port is no port".to_owned()))?,
        };
        let user = options.user.or(plain(parts.user, "user=…")?).or_else(|| environment("PGUSER"));
        let user = user
            .or_else(|| environment("USER"))
            .ok_or_else(|| wrong("it does not say as whom; write postgres://USER@HOST/DATABASE".to_owned()))?;
        let database = options.database.or(plain(parts.database, "dbname=…")?);
        let database = database.or_else(|| environment("PGDATABASE")).unwrap_or_else(|| user.clone());
        let roots = options.roots.or_else(|| environment("PGSSLROOTCERT"));
        let mode = options.mode.or_else(|| environment("PGSSLMODE"));
        let tls = tls(&host, mode.as_deref(), roots).map_err(wrong)?;
        let mut address = Address {
            host,
            port,
            user,
            database,
            password: None,
            tls,
            connections: options.connections.unwrap_or(CONNECTIONS),
        };
        address.password = match environment("PGPASSWORD") {
            Some(password) => Some(Zeroizing::new(password)),
            None => passfile::password(&address, environment).map_err(wrong)?,
        };
        Ok(address)
    }

    /// Whether the server is reached over a socket of this machine rather than over TCP.
    pub fn is_socket(&self) -> bool {
        self.host.starts_with('/')
    }

    /// For messages: never the password.
    pub fn shown(&self) -> String {
        let Address { host, port, user, database, .. } = self;
        if self.is_socket() {
            format!("postgres://{user}@/{database}?host={host}&port={port}")
        } else {
            format!("postgres://{user}@{host}:{port}/{database}")
        }
    }
}

fn wrong(store: &str, reason: String) -> ArchiveError {
    ArchiveError::Address { store: store.to_owned(), reason }
}

/// An address as it is written: `postgres://USER@HOST:PORT/DATABASE?QUERY`, of which any part may be left out.
struct Parts<'a> {
    user: &'a str,
    host: &'a str,
    port: &'a str,
    database: &'a str,
    query: &'a str,
}

impl<'a> Parts<'a> {
    fn of(given: &'a str) -> Parts<'a> {
        let rest = given.split_once("://").map_or(given, |(_, rest)| rest);
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        // A password may have an @ in it, and even a slash where somebody forgot to write it otherwise.
        let (user, place) = rest.rsplit_once('@').unwrap_or(("", rest));
        let (place, database) = place.split_once('/').unwrap_or((place, ""));
        let (host, port) = match place.strip_prefix('[').and_then(|place| place.split_once(']')) {
            Some((host, port)) => (host, port.strip_prefix(':').unwrap_or(port)),
            None => place.rsplit_once(':').unwrap_or((place, "")),
        };
        Parts { user, host, port, database, query }
    }

    /// As much of it as may stand in a message.
    fn shown(&self) -> String {
        let user = self.user.split(':').next().unwrap_or_default();
        format!("postgres://{user}@{}/{}", self.host, self.database)
    }
}

/// What stands behind the `?`.
#[derive(Default)]
struct Options {
    host: Option<String>,
    port: Option<u16>,
    user: Option<String>,
    database: Option<String>,
    mode: Option<String>,
    roots: Option<String>,
    connections: Option<usize>,
}

impl Options {
    fn take(&mut self, name: &str, value: String) -> Result<(), String> {
        match name {
            "host" => self.host = Some(value),
            "port" => self.port = Some(value.parse().map_err(|_| format!("port={value} is no port"))?),
            "user" => self.user = Some(value),
            "dbname" => self.database = Some(value),
            "sslmode" => self.mode = Some(value),
            "sslrootcert" => self.roots = Some(value),
            "connections" => match value.parse() {
                Ok(connections @ 1..=100) => self.connections = Some(connections),
                _ => return Err(format!("connections={value}: give 1 to 100")),
            },
            "password" => return Err("a password is not written here; put it into PGPASSWORD or ~/.pgpass".to_owned()),
            _ => {
                // It may be the end of a password with a ? in it.
                let known = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
                let name = if known { name } else { "what stands behind the ?" };
                return Err(format!(
                    "{name} is not known; host, port, user, dbname, sslmode, sslrootcert and connections are"
                ));
            }
        }
        Ok(())
    }
}

fn tls(host: &str, mode: Option<&str>, roots: Option<String>) -> Result<Option<Trust>, String> {
    let here = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    let trust = roots.filter(|roots| roots != "system").map_or(Trust::System, |roots| Trust::Roots(roots.into()));
    match mode {
        // A socket is a file of this machine.
        _ if host.starts_with('/') => Ok(None),
        Some("disable") => Ok(None),
        None if here => Ok(None),
        // The weaker ones promise less than is given.
        None | Some("verify-full" | "verify-ca" | "require") => Ok(Some(trust)),
        Some(mode @ ("prefer" | "allow")) => Err(format!(
            "sslmode={mode} goes on without encryption where somebody on the way asks for it; use verify-full, or \
             disable where the network between is trusted"
        )),
        Some(mode) => Err(format!("sslmode={mode} is not known; verify-full and disable are")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(given: &str, environment: &[(&str, &str)]) -> Result<Address, String> {
        let found =
            |name: &str| environment.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Address::read(given, &found).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_written_out_wins_over_the_environment() {
        let environment =
            [("PGHOST", "env.example"), ("PGPORT", "6000"), ("PGUSER", "envuser"), ("PGDATABASE", "envdb")];
        let cases: [(&str, &[(&str, &str)], &str); 7] = [
            ("postgres://smdr@db.example/feed", &[], "postgres://smdr@db.example:5432/feed"),
            ("postgresql://smdr@db.example:5433", &[], "postgres://smdr@db.example:5433/smdr"),
            ("postgres://smdr@db.example:5433/feed", &environment, "postgres://smdr@db.example:5433/feed"),
            ("postgres://", &environment, "postgres://envuser@env.example:6000/envdb"),
            ("postgres:///feed", &[("USER", "svc")], "postgres://svc@/feed?host=/var/run/postgresql&port=5432"),
            ("postgres://smdr@/feed?host=/run/pg&port=7", &[], "postgres://smdr@/feed?host=/run/pg&port=7"),
            ("postgres://a@b/c?user=d%40e&dbname=f%20g", &environment, "postgres://d@e@b:6000/f g"),
        ];
        for (given, environment, expected) in cases {
            assert_eq!(read(given, environment).unwrap().shown(), expected, "{given}");
        }
    }

    #[test]
    fn a_password_is_neither_taken_from_the_address_nor_shown() {
        for given in [
            "postgres://smdr:geheim@db/feed",
            "postgres://smdr:ge/he@geheim@db/feed",
            "postgres://smdr@db/feed?password=geheim",
        ] {
            let said = read(given, &[]).err().unwrap();
            assert!(said.contains("PGPASSWORD") && !said.contains("geheim"), "{said}");
        }
        for given in ["postgres://smdr:ge?heim@db/feed", "postgres://smdr:geheim?@db/feed"] {
            let said = read(given, &[]).err().unwrap();
            assert!(!said.contains("heim"), "{said}");
        }
        let address = read("postgres://smdr@db/feed", &[("PGPASSWORD", "geheim")]).unwrap();
        assert_eq!(address.password.as_deref().map(String::as_str), Some("geheim"));
        assert!(!address.shown().contains("geheim"));
    }

    #[test]
    fn who_is_encrypted_to_and_by_whose_word() {
        let roots = Some(Trust::Roots("/etc/ca.pem".into()));
        let cases = [
            ("postgres://a@db.example/f", &[][..], Some(Trust::System)),
            ("postgres://a@localhost/f", &[], None),
            ("postgres://a@[::1]/f", &[], None),
            ("postgres://a@127.0.0.1/f?sslmode=verify-full", &[], Some(Trust::System)),
            ("postgres://a@db.example/f?sslmode=disable", &[], None),
            ("postgres://a@db.example/f?sslmode=require&sslrootcert=/etc/ca.pem", &[], roots.clone()),
            ("postgres://a@db.example/f", &[("PGSSLROOTCERT", "/etc/ca.pem")], roots),
            ("postgres://a@db.example/f", &[("PGSSLMODE", "disable")], None),
            ("postgres://a@/f?host=/run/pg&sslmode=verify-full", &[], None),
        ];
        for (given, environment, expected) in cases {
            assert_eq!(read(given, environment).unwrap().tls, expected, "{given}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (given, says) in [
            ("postgres://a@db/f?sslmode=prefer", "verify-full"),
            ("postgres://a@db/f?sslmode=on", "not known"),
            ("postgres://a@db/f?target=x", "target is not known"),
            ("postgres://a@db/f?connections=0", "1 to 100"),
            ("postgres://a@db:99999/f", "is no port"),
            ("postgres://a@db/f%20g", "dbname="),
            ("postgres://a@db:x/f", "is no port"),
            ("postgres://db/f", "as whom"),
        ] {
            let said = read(given, &[]).err().unwrap();
            assert!(said.contains(says), "{given}: {said}");
        }
    }
}
