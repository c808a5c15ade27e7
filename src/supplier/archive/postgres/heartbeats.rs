//! Signs of life in PostgreSQL.

use jiff::Timestamp;
use tokio_postgres::types::Json;
use tokio_postgres::{Error, Row};

use super::super::{ArchiveError, HEARTBEATS, Heard, Heartbeats, split_practices};
use super::Postgres;

impl Heartbeats for Postgres {
    fn heartbeat(&self, heard: &Heard) -> Result<(), ArchiveError> {
        let Heard { device, practices, skew_s, received_at, said } = heard;
        let (practices, said) = (practices.join(","), said.as_ref().map(serde_json::Value::to_string));
        self.run(async |client| {
            let transaction = client.transaction().await?;
            // Two receivers that both clear one box's old heartbeats away would get into each other's way.
            let turn = transaction.prepare_cached("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))").await?;
            transaction.execute(&turn, &[&format!("smdr-feed heartbeat {device}")]).await?;
            let note = transaction
                .prepare_cached(
                    "INSERT INTO heartbeat (device, received_at, practices, skew_s, body)
                     VALUES ($1, $2, $3, $4, $5::text::json) ON CONFLICT DO NOTHING",
                )
                .await?;
            transaction.execute(&note, &[device, received_at, &practices, skew_s, &said]).await?;
            let clear = transaction
                .prepare_cached(
                    "DELETE FROM heartbeat WHERE device = $1 AND received_at <
                     (SELECT received_at FROM heartbeat WHERE device = $1
                      ORDER BY received_at DESC OFFSET $2 LIMIT 1)",
                )
                .await?;
            transaction.execute(&clear, &[device, &(i64::from(HEARTBEATS) - 1)]).await?;
            transaction.commit().await
        })
    }

    fn heartbeats(&self) -> Result<Vec<Heard>, ArchiveError> {
        self.run(async |client| {
            let statement = client
                .prepare_cached(
                    "SELECT DISTINCT ON (device) device, practices, skew_s, received_at, body FROM heartbeat
                     ORDER BY device, received_at DESC",
                )
                .await?;
            client.query(&statement, &[]).await?.iter().map(heard).collect()
        })
    }

    fn heartbeats_of(&self, device: &str) -> Result<Vec<Heard>, ArchiveError> {
        self.run(async |client| {
            let statement = client
                .prepare_cached(
                    "SELECT device, practices, skew_s, received_at, body FROM heartbeat
                     WHERE device = $1 ORDER BY received_at DESC",
                )
                .await?;
            client.query(&statement, &[&device]).await?.iter().map(heard).collect()
        })
    }
}

fn heard(row: &Row) -> Result<Heard, Error> {
    let practices: String = row.try_get(1)?;
    let received_at: Timestamp = row.try_get(3)?;
    let said: Option<Json<serde_json::Value>> = row.try_get(4)?;
    Ok(Heard {
        device: row.try_get(0)?,
        practices: split_practices(&practices),
        skew_s: row.try_get(2)?,
        received_at,
        said: said.map(|Json(said)| said),
    })
}
