//! What a server's refusals mean, and what to do about each.

use std::error::Error as _;

use deadpool_postgres::{HookError, PoolError, TimeoutType};
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use super::super::ArchiveError;

/// Why a step was not taken.
pub enum Fault {
    /// There was no connection for it.
    Pool(PoolError),
    /// The server, or the way there, failed it.
    Step(Error),
    /// The server said nothing.
    Silent,
}

const UNREACHABLE: &str = "is the server running, and does it listen there?";
const BUSY: &str =
    "the server is slower than documents come; look at its load and disk, or give more with connections=";

impl Fault {
    /// The error for a store, which is named without a password.
    pub fn of(&self, store: &str) -> ArchiveError {
        let (reason, remedy) = match self {
            Fault::Pool(PoolError::Timeout(TimeoutType::Wait)) => {
                ("every connection was busy for 10 s".to_owned(), BUSY)
            }
            Fault::Pool(PoolError::Timeout(_)) => ("no connection within 5 s".to_owned(), UNREACHABLE),
            Fault::Pool(PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)))
            | Fault::Step(error) => said(error),
            Fault::Pool(other) => (other.to_string(), "look at the receiver's log"),
            Fault::Silent => ("no answer within 35 s".to_owned(), BUSY),
        };
        ArchiveError::Server { store: store.to_owned(), reason, remedy }
    }
}

fn said(error: &Error) -> (String, &'static str) {
    if let Some(refusal) = error.as_db_error() {
        let remedy = remedy(refusal.code());
        return (format!("{} ({})", refusal.message(), refusal.code().code()), remedy);
    }
    let mut reason = error.to_string();
    let mut source = error.source();
    let mut encryption = false;
    while let Some(cause) = source {
        let text = cause.to_string();
        if !reason.contains(&text) {
            reason = format!("{reason}: {text}");
        }
        let inner = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        encryption |= cause.is::<rustls::Error>() || inner.is_some_and(|inner| inner.is::<rustls::Error>());
        source = cause.source();
    }
    let remedy = if encryption {
        "give the certificate of the server's authority with sslrootcert=FILE, and the name that stands in its certificate"
    } else if reason.contains("password") {
        "put the password into PGPASSWORD or ~/.pgpass (mode 600)"
    } else if reason.contains("TLS") {
        "switch on ssl at the server, or give sslmode=disable where the network between is trusted"
    } else {
        UNREACHABLE
    };
    (reason, remedy)
}

fn remedy(code: &SqlState) -> &'static str {
    match *code {
        SqlState::INVALID_PASSWORD => "put the role's password into PGPASSWORD or ~/.pgpass (mode 600)",
        SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            "let this role in, in the server's pg_hba.conf, or give the password in PGPASSWORD or ~/.pgpass"
        }
        SqlState::INVALID_CATALOG_NAME => "make it: createdb --owner=ROLE DATABASE",
        SqlState::INSUFFICIENT_PRIVILEGE => "let this role own the database: ALTER DATABASE … OWNER TO …",
        SqlState::TOO_MANY_CONNECTIONS => "raise the server's max_connections, or give fewer with connections=",
        SqlState::DISK_FULL => "make room on the server's disk",
        SqlState::READ_ONLY_SQL_TRANSACTION => "this server takes nothing in; name the primary",
        SqlState::QUERY_CANCELED => BUSY,
        SqlState::ADMIN_SHUTDOWN | SqlState::CRASH_SHUTDOWN | SqlState::CANNOT_CONNECT_NOW => {
            "the server is stopping or starting; it is tried again with the next request"
        }
        SqlState::UNDEFINED_TABLE => "tables of the store are gone; start the receiver again, and ask who removed them",
        _ => "look at the server's log",
    }
}
