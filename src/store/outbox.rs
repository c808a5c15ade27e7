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

/// Why a document is parked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The supplier refuses these bytes.
    Refused,
    /// The supplier holds another document of the day.
    Conflict,
    /// The practice takes no part at the supplier.
    NotParticipating,
    /// The box's token is not good for the practice.
    NotAllowed,
    /// The supplier does not know the practice.
    UnknownPractice,
}

impl Cause {
    /// All of them.
    pub const ALL: [Cause; 5] =
        [Cause::Refused, Cause::Conflict, Cause::NotParticipating, Cause::NotAllowed, Cause::UnknownPractice];

    /// The word in the database.
    pub fn word(self) -> &'static str {
        match self {
            Cause::Refused => "refused",
            Cause::Conflict => "conflict",
            Cause::NotParticipating => "not-participating",
            Cause::NotAllowed => "not-allowed",
            Cause::UnknownPractice => "unknown-practice",
        }
    }

    /// Whether it concerns every document of the practice, and goes when the supplier takes one.
    pub fn is_of_practice(self) -> bool {
        matches!(self, Cause::NotParticipating | Cause::NotAllowed | Cause::UnknownPractice)
    }

    fn from_word(word: &str) -> Option<Cause> {
        Cause::ALL.into_iter().find(|cause| cause.word() == word)
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
    /// The supplier's receipt, as JSON. It stays when the document is sent again, until there is a newer one.
    pub receipt: Option<String>,
    /// Why it is parked.
    pub cause: Option<Cause>,
    /// Where the supplier says how it judged what it accepted.
    pub poll: Option<String>,
    /// Whether somebody at the practice released it.
    pub approved: bool,
    /// Tries that failed since the last nightly instant.
    pub failed: u32,
    /// The last try.
    pub tried: Option<Timestamp>,
}

impl OutboxRow {
    /// A new document, which nobody has tried to send yet.
    pub fn new(owner: Owner, date: Date, revision: u32, sha256: String, body: Vec<u8>) -> OutboxRow {
        OutboxRow {
            owner,
            date,
            revision,
            sha256,
            body,
            state: OutboxState::Pending,
            attempts: 0,
            next: Timestamp::UNIX_EPOCH,
            problem: None,
            receipt: None,
            cause: None,
            poll: None,
            approved: false,
            failed: 0,
            tried: None,
        }
    }
}

const COLUMNS: &str = "ods, site, day, revision, sha256, body, state, attempts, next_ms, problem, receipt, cause, poll,
    approved, failed, tried_ms";

/// Of a day's revisions only the newest counts.
const IS_NEWEST: &str = "revision = (SELECT max(revision) FROM outbox AS n
    WHERE n.ods = outbox.ods AND n.site = outbox.site AND n.day = outbox.day)";

/// Causes that concern a whole practice, as SQL.
const OF_PRACTICE: &str = "('not-participating', 'not-allowed', 'unknown-practice')";

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
            "INSERT INTO outbox (ods, site, day, revision, sha256, body, state, next_ms, approved)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            (
                ods.as_str(),
                site.as_str(),
                day,
                row.revision,
                &row.sha256,
                &row.body,
                row.state.word(),
                row.next.as_millisecond(),
                row.approved,
            ),
        )?;
        Ok(())
    }

    /// Notes what became of an attempt to deliver.
    pub fn attempted(&self, row: &OutboxRow) -> Result<(), StoreError> {
        let (ods, site) = row.owner.key();
        self.tx.execute(
            "UPDATE outbox SET state = ?5, attempts = ?6, next_ms = ?7, problem = ?8, receipt = coalesce(?9, receipt),
             cause = ?10, poll = ?11, failed = ?12, tried_ms = ?13
             WHERE ods = ?1 AND site = ?2 AND day = ?3 AND revision = ?4
             AND (state IN ('pending', 'parked') OR state = 'superseded' AND ?5 = 'receipted')",
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
                row.cause.map(Cause::word),
                &row.poll,
                row.failed,
                row.tried.map(|tried| tried.as_millisecond()),
            ),
        )?;
        Ok(())
    }

    /// Brings forward what is put off further than is ever done: a clock that was wrong had put it off.
    pub fn bring_forward(&self, now: Timestamp) -> Result<(), StoreError> {
        self.tx
            .prepare_cached("UPDATE outbox SET next_ms = ?1 WHERE next_ms > ?1 + 49 * 3600000 AND state = 'pending'")?
            .execute([now.as_millisecond()])?;
        Ok(())
    }

    /// Sends the newest document of a day again, though it was delivered or parked; what is held stays held.
    pub fn requeue(&self, owner: &Owner, date: Date, next: Timestamp) -> Result<usize, StoreError> {
        let (ods, site) = owner.key();
        Ok(self.tx.execute(
            &format!(
                "UPDATE outbox SET state = 'pending', next_ms = ?4, cause = NULL, problem = NULL, poll = NULL,
                 failed = 0, approved = approved OR state = 'receipted'
                 WHERE ods = ?1 AND site = ?2 AND day = ?3 AND state IN ('receipted', 'parked') AND {IS_NEWEST}"
            ),
            (ods.as_str(), site.as_str(), day_number(date), next.as_millisecond()),
        )?)
    }

    /// Parks what was to be sent for a practice.
    pub fn park_practice(&self, owner: &Owner, cause: Cause, problem: &str) -> Result<usize, StoreError> {
        let (ods, site) = owner.key();
        Ok(self.tx.execute(
            &format!(
                "UPDATE outbox SET state = 'parked', cause = ?3, problem = ?4, poll = NULL WHERE ods = ?1 AND site = ?2
                 AND (state = 'pending' OR state = 'parked' AND cause IN {OF_PRACTICE} AND cause <> ?3)"
            ),
            (ods.as_str(), site.as_str(), cause.word(), problem),
        )?)
    }

    /// Queues what was parked for a reason that concerned the whole practice.
    pub fn resume_practice(&self, owner: &Owner, next: Timestamp) -> Result<usize, StoreError> {
        let (ods, site) = owner.key();
        Ok(self.tx.execute(
            &format!(
                "UPDATE outbox SET state = 'pending', next_ms = ?3, cause = NULL, problem = NULL, failed = 0
                 WHERE ods = ?1 AND site = ?2 AND state = 'parked' AND cause IN {OF_PRACTICE}"
            ),
            (ods.as_str(), site.as_str(), next.as_millisecond()),
        )?)
    }

    /// Lets go one held document, in somebody's name.
    pub fn approve(&self, row: &OutboxRow, next: Timestamp) -> Result<usize, StoreError> {
        let (ods, site) = row.owner.key();
        Ok(self.tx.execute(
            "UPDATE outbox SET state = 'pending', approved = 1, next_ms = ?5
             WHERE ods = ?1 AND site = ?2 AND day = ?3 AND revision = ?4 AND state = 'held'",
            (ods.as_str(), site.as_str(), day_number(row.date), row.revision, next.as_millisecond()),
        )?)
    }

    /// Lets go what was held; answers with how many documents.
    pub fn release_held(&self, next: Timestamp) -> Result<usize, StoreError> {
        Ok(self.tx.execute(
            "UPDATE outbox SET state = 'pending', next_ms = ?1 WHERE state = 'held'",
            [next.as_millisecond()],
        )?)
    }

    /// Holds what was to be sent and nobody released; answers with how many documents.
    pub fn hold_unapproved(&self) -> Result<usize, StoreError> {
        Ok(self.tx.execute("UPDATE outbox SET state = 'held' WHERE state = 'pending' AND approved = 0", [])?)
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

    /// What is parked and is the newest of its day, oldest first.
    pub fn parked(&self) -> Result<Vec<OutboxRow>, StoreError> {
        let mut query = self.db.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM outbox WHERE state = 'parked' AND {IS_NEWEST} ORDER BY day, ods, site"
        ))?;
        Ok(query.query_map([], row)?.collect::<Result<_, _>>()?)
    }

    /// The newest documents of the days of one owner from `from` on, oldest first.
    pub fn newest_since(&self, owner: &Owner, from: Date) -> Result<Vec<OutboxRow>, StoreError> {
        let (ods, site) = owner.key();
        let mut query = self.db.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM outbox WHERE ods = ?1 AND site = ?2 AND day >= ?3 AND {IS_NEWEST} ORDER BY day"
        ))?;
        let rows = query.query_map((ods.as_str(), site.as_str(), day_number(from)), row)?;
        Ok(rows.collect::<Result<_, _>>()?)
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
        cause: row.get::<_, Option<String>>(11)?.as_deref().and_then(Cause::from_word),
        poll: row.get(12)?,
        approved: row.get(13)?,
        failed: row.get(14)?,
        tried: row.get::<_, Option<i64>>(15)?.map(super::instant),
    })
}
