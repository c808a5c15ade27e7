//! The archive on a PostgreSQL server, for several receivers beside each other. None of them remembers anything: what two do at
//! once is settled in the database.

use std::sync::mpsc;
use std::time::Duration;

use deadpool_postgres::{Client, Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Config, Error, NoTls};

use super::{ArchiveError, Engine};
use address::Address;
use encryption::Encryption;
use fault::Fault;

mod accounts;
mod address;
mod days;
mod encryption;
mod fault;
mod heartbeats;
mod passfile;
mod schema;
mod sites;

/// How long a connection may take to be made, and how long a request waits for one that is free.
const CONNECT: Duration = Duration::from_secs(5);
/// How long the server may take for a step, the way there and back included: a little longer than it gives itself.
const STEP: Duration = Duration::from_secs(35);
/// The server ends a statement that takes longer than it may, and a transaction that its receiver has left alone; what was
/// receipted is on its disk.
const SESSION: &str = "
    SET statement_timeout = '30s';
    SET idle_in_transaction_session_timeout = '60s';
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
";

/// The archive in PostgreSQL.
pub struct Postgres {
    pool: Pool,
    /// Where connections are kept moving, on a thread of their own.
    runtime: Handle,
    store: String,
    /// Dropped with the archive, and ends the thread.
    _while_open: oneshot::Sender<()>,
}

impl std::fmt::Debug for Postgres {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Postgres").field(&self.store).finish()
    }
}

impl Postgres {
    /// Connects, and brings the tables to the newest version.
    pub fn open(given: &str) -> Result<Postgres, ArchiveError> {
        let address = Address::read(given, &|name| std::env::var(name).ok().filter(|value| !value.is_empty()))?;
        let store = address.shown();
        let pool = pool(&address).map_err(|reason| ArchiveError::Address { store: store.clone(), reason })?;
        let unable = |source: std::io::Error| ArchiveError::Server {
            store: store.clone(),
            reason: format!("no thread for its connections: {source}"),
            remedy: "give the receiver more threads or memory",
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(unable)?;
        let (handle, (while_open, closed)) = (runtime.handle().clone(), oneshot::channel());
        let (tell, told) = mpsc::channel();
        let (opening, opened) = (pool.clone(), store.clone());
        let connections = move || {
            runtime.block_on(async {
                let _ = tell.send(prepare(&opening, &opened).await);
                let _ = closed.await;
            });
        };
        std::thread::Builder::new().name("postgres".to_owned()).spawn(connections).map_err(unable)?;
        let stopped = || unable(std::io::Error::other("it ended"));
        told.recv().map_err(|_| stopped())??;
        Ok(Postgres { pool, runtime: handle, store, _while_open: while_open })
    }

    /// Takes a step, which a server that went away, or two steps in each other's way, make be taken once more: a step may be
    /// taken twice. Waits, so it is not for threads that serve.
    fn run<T>(&self, step: impl AsyncFn(&mut Client) -> Result<T, Error>) -> Result<T, ArchiveError> {
        self.runtime.block_on(async {
            let mut once_more = true;
            loop {
                let mut client = self.pool.get().await.map_err(|error| Fault::Pool(error).of(&self.store))?;
                match tokio::time::timeout(STEP, step(&mut client)).await {
                    Ok(Ok(value)) => return Ok(value),
                    Ok(Err(error)) if once_more && passes(&error) => once_more = false,
                    Ok(Err(error)) => return Err(Fault::Step(error).of(&self.store)),
                    Err(_) => {
                        // Nobody knows what this connection waits for.
                        drop(deadpool_postgres::Object::take(client));
                        return Err(Fault::Silent.of(&self.store));
                    }
                }
            }
        })
    }
}

impl Engine for Postgres {
    fn answers(&self) -> Result<(), ArchiveError> {
        self.run(async |client| client.query_one("SELECT FROM smdr_feed_schema LIMIT 1", &[]).await.map(drop))
    }
}

/// Whether a fault may be gone at the next try: a connection that ended, a server that stops or has just come back, a
/// transaction that was in another's way.
fn passes(error: &Error) -> bool {
    error.is_closed()
        || std::error::Error::source(error).is_some_and(|source| source.is::<std::io::Error>())
        || matches!(
            error.code(),
            Some(
                &SqlState::ADMIN_SHUTDOWN
                    | &SqlState::CRASH_SHUTDOWN
                    | &SqlState::CANNOT_CONNECT_NOW
                    | &SqlState::T_R_DEADLOCK_DETECTED
                    | &SqlState::T_R_SERIALIZATION_FAILURE
            )
        )
}

fn pool(address: &Address) -> Result<Pool, String> {
    let mut config = Config::new();
    config.host(&address.host).port(address.port).user(&address.user).dbname(&address.database);
    config.application_name("smdr-feed").connect_timeout(CONNECT);
    // A server whose machine is gone says nothing; the step's own deadline is the longer one.
    config.keepalives_idle(Duration::from_secs(30)).tcp_user_timeout(STEP);
    if let Some(password) = &address.password {
        config.password(password.as_str());
    }
    let kept = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = match &address.tls {
        None => {
            config.ssl_mode(tokio_postgres::config::SslMode::Disable);
            Manager::from_config(config, NoTls, kept)
        }
        Some(trust) => {
            config.ssl_mode(tokio_postgres::config::SslMode::Require);
            Manager::from_config(config, Encryption::new(trust)?, kept)
        }
    };
    let session = Hook::async_fn(|client: &mut deadpool_postgres::ClientWrapper, _| {
        Box::pin(async move { client.batch_execute(SESSION).await.map_err(HookError::Backend) })
    });
    Pool::builder(manager)
        .max_size(address.connections)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(CONNECT * 2))
        .create_timeout(Some(CONNECT))
        .post_create(session)
        .build()
        .map_err(|error| error.to_string())
}

/// Makes the first connection, and the tables.
async fn prepare(pool: &Pool, store: &str) -> Result<(), ArchiveError> {
    let mut client = pool.get().await.map_err(|error| Fault::Pool(error).of(store))?;
    let fault = |error| Fault::Step(error).of(store);
    let found = schema::migrate(&mut client).await.map_err(fault)?;
    if found > schema::KNOWN {
        return Err(ArchiveError::Newer { store: store.to_owned(), found, known: schema::KNOWN });
    }
    let durable = client.query_one("SELECT current_setting('fsync') = 'on'", &[]).await.map_err(fault)?;
    if !durable.get::<_, bool>(0) {
        tracing::warn!(%store, "the server has fsync off: a power cut may lose what was receipted");
    }
    Ok(())
}
