//! Documents on their way to the supplier. The body of a document never changes once it is here.

use jiff::Timestamp;
use jiff::civil::Date;
use rusqlite::{OptionalExtension, Row};

use super::{Reading, StoreError, Work, day_date, day_number};
use crate::call::Owner;

/// Where a document stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutboxState {
    /// To be sent.
    Pending,
    /// The supplier's receipt matches it.
    Receipted,
    /// Refused: the same bytes would be refused again.
    Parked,
    /// Awaiting approval, or there is no supplier.
    Held,
    /// A newer revision took its place before it was delivered.
    Superseded,
}

impl OutboxState {
    /// The word in the database.
    pub fn word(self) -> &'static str {
        match self {
            OutboxState::Pending => "pending",
            OutboxState::Receipted => "receipted",
            OutboxState::Parked => "parked",
            OutboxState::Held => "held",
            OutboxState::Superseded => "superseded",
        }
    }

    fn from_word(word: &str) -> OutboxState {
        match word {
            "receipted" => OutboxState::Receipted,
            "parked" => OutboxState::Parked,
            "held" => OutboxState::Held,
            "superseded" => OutboxState::Superseded,
            _ => OutboxState::Pending,
        }
    }
}

/// One revision of one day's document.
#[derive(Debug, Clone, PartialEq)]
pub struct OutboxRow {
    /// Whose day.
    pub owner: Owner,
    /// Which day.
    pub date: Date,
    /// Which revision.
    pub revision: u32,
    /// Digest of the body, in hexadecimal digits.
    pub sha256: String,
    /// Canonical JSON.
    pub body: Vec<u8>,
    /// Where it stands.
    pub state: OutboxState,
    /// How often it was tried.
    pub attempts: u32,
    /// When it may be tried again.
    pub next: Timestamp,
    /// What went wrong last.
    pub problem: Option<String>,
    /// The supplier's receipt, as JSON.
    pub receipt: Option<String>,
}

const COLUMNS: &str = "ods, site, day, revision, sha256, body, state, attempts, next_ms, problem, receipt";

impl Work<'_> {
    /// Puts a document in; older revisions of the day that were not delivered yet make way for it.
    pub fn enqueue(&self, row: &OutboxRow) -> Result<(), StoreError> {
        let (ods, site) = row.owner.key();
        let day = day_number(row.date);
        self.tx.execute(
            "UPDATE outbox SET state = 'superseded' WHERE ods = ?1 AND site = ?2 AND day = ?3
             AND state IN ('pending', 'held', 'parked')",
            (ods.as_str(), site.as_str(), day),
        )?;
        self.tx.execute(
            "INSERT INTO outbox (ods, site, day, revision, sha256, body, state, next_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            (
                ods.as_str(),
                site.as_str(),
                day,
                row.revision,
                &row.sha256,
                &row.body,
                row.state.word(),
                row.next.as_millisecond(),
            ),
        )?;
        Ok(())
    }

    /// Notes what became of an attempt to deliver.
    pub fn attempted(&self, row: &OutboxRow) -> Result<(), StoreError> {
        let (ods, site) = row.owner.key();
        self.tx.execute(
            "UPDATE outbox SET state = ?5, attempts = ?6, next_ms = ?7, problem = ?8, receipt = ?9
             WHERE ods = ?1 AND site = ?2 AND day = ?3 AND revision = ?4 AND state <> 'receipted'
             AND (state <> 'superseded' OR ?5 = 'receipted')",
            (
                ods.as_str(),
                site.as_str(),
                day_number(row.date),
                row.revision,
                row.state.word(),
                row.attempts,
                row.next.as_millisecond(),
                &row.problem,
                &row.receipt,
            ),
        )?;
        Ok(())
    }
}

impl Work<'_> {
    /// Lets go what was held; answers with how many documents.
    pub fn release_held(&self, next: Timestamp) -> Result<usize, StoreError> {
        Ok(self.tx.execute(
            "UPDATE outbox SET state = 'pending', next_ms = ?1 WHERE state = 'held'",
            [next.as_millisecond()],
        )?)
    }
}

impl Reading<'_> {
    /// The newest revision of a day.
    pub fn newest(&self, owner: &Owner, date: Date) -> Result<Option<OutboxRow>, StoreError> {
        let (ods, site) = owner.key();
        let mut query = self.db.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM outbox WHERE ods = ?1 AND site = ?2 AND day = ?3 ORDER BY revision DESC LIMIT 1"
        ))?;
        Ok(query.query_row((ods.as_str(), site.as_str(), day_number(date)), row).optional()?)
    }

    /// What is to be sent, oldest first.
    pub fn pending(&self) -> Result<Vec<OutboxRow>, StoreError> {
        let mut query = self
            .db
            .prepare_cached(&format!("SELECT {COLUMNS} FROM outbox WHERE state = 'pending' ORDER BY day, revision"))?;
        Ok(query.query_map([], row)?.collect::<Result<_, _>>()?)
    }

    /// How many closed days stand where, by newest revision: receipted, pending, parked, held; and how many are
    /// closed.
    pub fn outbox_counts(&self) -> Result<([u64; 4], u64), StoreError> {
        let mut counts = [0; 4];
        let mut query = self.db.prepare_cached(
            "SELECT state, count(*) FROM outbox AS o WHERE revision =
             (SELECT max(revision) FROM outbox AS n WHERE n.ods = o.ods AND n.site = o.site AND n.day = o.day)
             GROUP BY state",
        )?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let word: String = row.get(0)?;
            let place = ["receipted", "pending", "parked", "held"].iter().position(|known| *known == word);
            if let Some(slot) = place.and_then(|place| counts.get_mut(place)) {
                *slot = row.get::<_, i64>(1)? as u64;
            }
        }
        let closed: i64 = self.db.query_row(
            "SELECT count(*) FROM day WHERE closed_ms IS NOT NULL AND ods NOT LIKE '-%'",
            [],
            |row| row.get(0),
        )?;
        Ok((counts, closed as u64))
    }
}

fn row(row: &Row<'_>) -> rusqlite::Result<OutboxRow> {
    Ok(OutboxRow {
        owner: Owner::from_key(&row.get::<_, String>(0)?, &row.get::<_, String>(1)?),
        date: day_date(row.get(2)?),
        revision: row.get(3)?,
        sha256: row.get(4)?,
        body: row.get(5)?,
        state: OutboxState::from_word(&row.get::<_, String>(6)?),
        attempts: row.get(7)?,
        next: super::instant(row.get(8)?),
        problem: row.get(9)?,
        receipt: row.get(10)?,
    })
}
