//! Documents and days in PostgreSQL.

use std::collections::BTreeSet;

use deadpool_postgres::Client;
use jiff::Timestamp;
use jiff::civil::Date;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Error, IsolationLevel, Row};

use super::super::month::{Days, NewestOfDay};
use super::super::{ArchiveError, Arrival, Documents, Held, Kept, ManifestEntry, Spot, Warn};
use super::Postgres;
use super::schema::make_month;
use crate::push::Receipt;

/// A day that is to be kept, as it is tried: the partition of its month may have to be made, or others may come between.
enum Tried {
    Kept(Kept),
    NoMonth(Error),
    Again,
}

impl Documents for Postgres {
    fn keep(&self, arrival: &Arrival, sender: Option<&str>, warn: Warn<'_>) -> Result<Kept, ArchiveError> {
        // The server counts in microseconds; a receipt that is given again is the one that was given first.
        let micros = arrival.received_at.as_microsecond();
        let received_at = Timestamp::from_microsecond(micros).unwrap_or(arrival.received_at);
        self.run(async |client| {
            let mut made = false;
            loop {
                match attempt(client, arrival, sender, received_at, warn).await? {
                    Tried::Kept(kept) => return Ok(kept),
                    Tried::NoMonth(error) if made => return Err(error),
                    Tried::NoMonth(_) => make_month(client, arrival.date).await?,
                    Tried::Again => continue,
                }
                made = true;
            }
        })
    }

    fn manifest(&self, ods: &str, site: &str, from: Date, to: Date) -> Result<Vec<ManifestEntry>, ArchiveError> {
        self.run(async |client| {
            let statement = client
                .prepare_cached(
                    "SELECT DISTINCT ON (date) date, revision, sha256 FROM day_revision
                     WHERE ods = $1 AND site = $2 AND date BETWEEN $3 AND $4 ORDER BY date, revision DESC",
                )
                .await?;
            let rows = client.query(&statement, &[&ods, &site, &from, &to]).await?;
            rows.iter()
                .map(|row| {
                    Ok(ManifestEntry { date: row.try_get(0)?, revision: number(row, 1)?, sha256: row.try_get(2)? })
                })
                .collect()
        })
    }

    fn document(&self, at: Spot<'_>, revision: Option<u32>) -> Result<Option<(Held, Vec<u8>)>, ArchiveError> {
        let revision = revision.map(i64::from);
        self.run(async |client| {
            let statement = client
                .prepare_cached(
                    "SELECT revision, sha256, device, body FROM day_revision
                     WHERE ods = $1 AND site = $2 AND date = $3 AND ($4::bigint IS NULL OR revision = $4)
                     ORDER BY revision DESC LIMIT 1",
                )
                .await?;
            let row = client.query_opt(&statement, &[&at.ods, &at.site, &at.date, &revision]).await?;
            row.map(|row| Ok((held(&row)?, row.try_get(3)?))).transpose()
        })
    }
}

/// One try, in one transaction. Receivers that have the same day at the same time take turns, so that none keeps an older
/// revision behind a newer; that a revision, or the same bytes, come once is the table's own rule.
async fn attempt(
    client: &mut Client,
    arrival: &Arrival,
    sender: Option<&str>,
    received_at: Timestamp,
    warn: Warn<'_>,
) -> Result<Tried, Error> {
    let Arrival { ods, site, date, sha256, .. } = arrival;
    let transaction = client.build_transaction().isolation_level(IsolationLevel::ReadCommitted).start().await?;
    let turn = transaction.prepare_cached("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))").await?;
    transaction.execute(&turn, &[&format!("smdr-feed day {ods}/{site}/{date}")]).await?;
    let known = transaction
        .prepare_cached(
            "SELECT revision, sha256, device, receipt_id, received_at, warnings, schema FROM day_revision
             WHERE ods = $1 AND site = $2 AND date = $3 AND (sha256 = $4 OR revision =
                 (SELECT max(revision) FROM day_revision WHERE ods = $1 AND site = $2 AND date = $3))
             ORDER BY revision",
        )
        .await?;
    let known = transaction.query(&known, &[ods, site, date, sha256]).await?;
    if let Some(row) = known.iter().find(|row| row.get::<_, &str>(1) == sha256) {
        let warnings: String = row.try_get(5)?;
        return Ok(Tried::Kept(Kept::Replayed(Receipt {
            receipt_id: row.try_get(3)?,
            received_at: row.try_get(4)?,
            server_schema: row.try_get(6)?,
            revision: number(row, 0)?,
            replayed: true,
            ..arrival.receipt(serde_json::from_str(&warnings).unwrap_or_default())
        })));
    }
    let newest = known.last().map(held).transpose()?;
    if let Some(newest) = &newest
        && newest.revision >= arrival.revision
    {
        return Ok(Tried::Kept(Kept::Stale(newest.clone())));
    }
    let receipt = Receipt { received_at, ..arrival.receipt(warn(newest.as_ref())) };
    let keep = transaction
        .prepare_cached(
            "INSERT INTO day_revision
             (ods, site, date, revision, sha256, device, receipt_id, received_at, schema, warnings, body, sender)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING",
        )
        .await?;
    let warnings = serde_json::to_string(&receipt.warnings).unwrap_or_default();
    let kept = transaction
        .execute(
            &keep,
            &[
                ods,
                site,
                date,
                &i64::from(arrival.revision),
                sha256,
                &arrival.device,
                &arrival.receipt_id,
                &received_at,
                &arrival.schema,
                &warnings,
                &arrival.body,
                &sender,
            ],
        )
        .await;
    match kept {
        Ok(1) => {}
        Ok(_) => return Ok(Tried::Again),
        Err(error) if error.code() == Some(&SqlState::CHECK_VIOLATION) => return Ok(Tried::NoMonth(error)),
        Err(error) => return Err(error),
    }
    transaction.commit().await?;
    Ok(Tried::Kept(if newest.is_some() { Kept::Replaced(receipt) } else { Kept::First(receipt) }))
}

impl Days for Postgres {
    fn newest(&self, ods: &str, site: &str, from: Date, to: Date) -> Result<Vec<NewestOfDay>, ArchiveError> {
        self.run(async |client| {
            let statement = client
                .prepare_cached(
                    "SELECT DISTINCT ON (date) date, revision, sha256, body FROM day_revision
                     WHERE ods = $1 AND site = $2 AND date BETWEEN $3 AND $4 ORDER BY date, revision DESC",
                )
                .await?;
            let rows = client.query(&statement, &[&ods, &site, &from, &to]).await?;
            rows.iter()
                .map(|row| {
                    Ok(NewestOfDay {
                        date: row.try_get(0)?,
                        revision: number(row, 1)?,
                        sha256: row.try_get(2)?,
                        body: row.try_get(3)?,
                    })
                })
                .collect()
        })
    }

    fn devices(&self, ods: &str, site: &str, from: Date, to: Date) -> Result<BTreeSet<String>, ArchiveError> {
        self.run(async |client| {
            let statement = client
                .prepare_cached(
                    "SELECT DISTINCT device FROM day_revision
                     WHERE ods = $1 AND site = $2 AND date BETWEEN $3 AND $4",
                )
                .await?;
            let rows = client.query(&statement, &[&ods, &site, &from, &to]).await?;
            rows.iter().map(|row| row.try_get(0)).collect()
        })
    }

    fn sites(&self, from: Date, to: Date) -> Result<BTreeSet<(String, String)>, ArchiveError> {
        self.run(async |client| {
            let statement = client
                .prepare_cached("SELECT DISTINCT ods, site FROM day_revision WHERE date BETWEEN $1 AND $2")
                .await?;
            let rows = client.query(&statement, &[&from, &to]).await?;
            rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
        })
    }
}

fn held(row: &Row) -> Result<Held, Error> {
    Ok(Held { revision: number(row, 0)?, sha256: row.try_get(1)?, device: row.try_get(2)? })
}

/// A revision: what was kept came from such a number.
fn number(row: &Row, column: usize) -> Result<u32, Error> {
    Ok(row.try_get::<_, i64>(column)?.try_into().unwrap_or(u32::MAX))
}
