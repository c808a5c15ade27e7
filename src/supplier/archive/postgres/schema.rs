//! The tables in PostgreSQL, how a database of an earlier version comes to have them, and the months as partitions.

use deadpool_postgres::Client;
use jiff::civil::Date;
use tokio_postgres::Error;

use super::sites::SITE_DAYS;

/// What each version adds, from the first on; `smdr_feed_schema` says how many there are. A line is added for new tables,
/// here and in the other engine; none is ever changed.
const MIGRATIONS: &[&str] = &[DAYS_AND_HEARTBEATS, ACCOUNTS, SITE_DAYS];

/// The newest version that is known here.
pub const KNOWN: i64 = MIGRATIONS.len() as i64;

// Codes and names sort by their bytes, as they do in the other engine, whatever the database's language is. No key of a table
// that is partitioned can do without what it is partitioned by: that a receipt's name, of 128 random bits, comes but once is
// not asked of the database.
const DAYS_AND_HEARTBEATS: &str = "
    CREATE TABLE day_revision (
        ods text COLLATE \"C\" NOT NULL, site text COLLATE \"C\" NOT NULL, date date NOT NULL,
        revision bigint NOT NULL CHECK (revision >= 1),
        sha256 text COLLATE \"C\" NOT NULL, device text COLLATE \"C\" NOT NULL,
        receipt_id text COLLATE \"C\" NOT NULL, received_at timestamptz NOT NULL,
        schema text NOT NULL, warnings text NOT NULL, body bytea NOT NULL,
        PRIMARY KEY (ods, site, date, revision), UNIQUE (ods, site, date, sha256)
    ) PARTITION BY RANGE (date);
    CREATE TABLE day_revision_other PARTITION OF day_revision (
        CONSTRAINT months_of_this_century_have_partitions CHECK (date < '2000-01-01' OR date >= '2100-01-01')
    ) DEFAULT;
    CREATE FUNCTION smdr_feed_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END
    $$;
    CREATE TRIGGER day_revision_is_never_changed BEFORE UPDATE ON day_revision
        FOR EACH ROW EXECUTE FUNCTION smdr_feed_append_only();
    CREATE TRIGGER day_revision_is_never_removed BEFORE DELETE ON day_revision
        FOR EACH ROW EXECUTE FUNCTION smdr_feed_append_only();
    CREATE TRIGGER day_revision_is_never_emptied BEFORE TRUNCATE ON day_revision
        FOR EACH STATEMENT EXECUTE FUNCTION smdr_feed_append_only();
    CREATE TRIGGER day_revision_other_is_never_emptied BEFORE TRUNCATE ON day_revision_other
        FOR EACH STATEMENT EXECUTE FUNCTION smdr_feed_append_only();
    CREATE TABLE heartbeat (
        device text COLLATE \"C\" NOT NULL, received_at timestamptz NOT NULL, practices text NOT NULL, skew_s bigint,
        body json,
        PRIMARY KEY (device, received_at)
    );
";

/// Boxes, keys and one-time codes, and who sent a document. Times are texts, as in the other engine.
const ACCOUNTS: &str = "
    CREATE TABLE device (
        device text COLLATE \"C\" PRIMARY KEY, ods text NOT NULL, site text, added_at text NOT NULL, revoked_at text
    );
    CREATE TABLE device_key (
        keyid text COLLATE \"C\" PRIMARY KEY, device text COLLATE \"C\" NOT NULL REFERENCES device (device),
        public text NOT NULL, added_at text NOT NULL, until text, revoked_at text, used_at text
    );
    CREATE INDEX device_key_of ON device_key (device);
    CREATE TABLE enrolment_code (
        digest text COLLATE \"C\" PRIMARY KEY, ods text NOT NULL, site text, device text, until text NOT NULL,
        used_by text
    );
    ALTER TABLE day_revision ADD COLUMN sender text;
";

/// Receivers that start at once wait for each other here. Any number does that nobody else uses in the same database.
const MIGRATING: i64 = 0x736d_6472_0001;
/// The same for the partition of a month.
const MAKING_MONTHS: i64 = 0x736d_6472_0002;

/// Brings the database to the newest version, in one transaction that holds others off; its version before.
pub async fn migrate(client: &mut Client) -> Result<i64, Error> {
    let transaction = client.transaction().await?;
    // Filling a new table from a large old one, or waiting for another receiver that does, may take its time.
    transaction.batch_execute("SET LOCAL statement_timeout = 0").await?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&MIGRATING]).await?;
    transaction
        .batch_execute(
            "CREATE TABLE IF NOT EXISTS smdr_feed_schema (
                version bigint PRIMARY KEY, since timestamptz NOT NULL DEFAULT now()
            )",
        )
        .await?;
    let row = transaction.query_one("SELECT coalesce(max(version), 0) FROM smdr_feed_schema", &[]).await?;
    let found: i64 = row.get(0);
    for (version, migration) in (1_i64..).zip(MIGRATIONS).filter(|(version, _)| *version > found) {
        transaction.batch_execute(migration).await?;
        transaction.execute("INSERT INTO smdr_feed_schema (version) VALUES ($1)", &[&version]).await?;
    }
    transaction.commit().await?;
    Ok(found)
}

/// Makes the partition of a day's month, unless another receiver was quicker. Months of other centuries have none: whoever may
/// send could make a hundred thousand of them.
pub async fn make_month(client: &mut Client, day: Date) -> Result<(), Error> {
    let (first, name) = (day.first_of_month(), day.strftime("day_revision_%Y_%m"));
    let Ok(after) = first.last_of_month().tomorrow() else { return Ok(()) };
    if !(2000..2100).contains(&day.year()) {
        return Ok(());
    }
    let transaction = client.transaction().await?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&MAKING_MONTHS]).await?;
    if transaction.query_one("SELECT to_regclass($1) IS NULL", &[&name.to_string()]).await?.get(0) {
        transaction
            .batch_execute(&format!(
                "CREATE TABLE {name} PARTITION OF day_revision FOR VALUES FROM ('{first}') TO ('{after}');
                 CREATE TRIGGER {name}_is_never_emptied BEFORE TRUNCATE ON {name}
                     FOR EACH STATEMENT EXECUTE FUNCTION smdr_feed_append_only();"
            ))
            .await?;
    }
    transaction.commit().await
}
