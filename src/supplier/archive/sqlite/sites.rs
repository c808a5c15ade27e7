//! Sites and their days in SQLite.

use jiff::civil::Date;

use super::super::ArchiveError;
use super::super::sites::{ObservedDay, ObservedDays, SITES_NEWEST, SiteNewest, Sites, gather, split_dialects};
use super::{Sqlite, parsed};

/// The table, what keeps it, and what was here before. A body is a BLOB; the JSON functions want text.
pub const SITE_DAYS: &str = "
    CREATE TABLE site_day (
        ods TEXT NOT NULL, site TEXT NOT NULL, date TEXT NOT NULL, revision INTEGER NOT NULL, device TEXT NOT NULL,
        received_at TEXT NOT NULL, observed_s INTEGER, length_s INTEGER, lines INTEGER, unparsed INTEGER,
        clock_s INTEGER, dialects TEXT,
        PRIMARY KEY (ods, site, date)
    ) STRICT, WITHOUT ROWID;
    CREATE VIEW site_day_of_revision AS
        SELECT ods, site, date, revision, device, received_at,
            (SELECT value FROM json_each(body, '$.coverage.observed_s') WHERE typeof(value) = 'integer') AS observed_s,
            (SELECT value * 1800 FROM json_each(body, '$.day.slots') WHERE typeof(value) = 'integer' AND value < 1000) AS length_s,
            (SELECT sum(number) FROM (SELECT CASE type WHEN 'object' THEN json_extract(value, '$.lines') END AS number
                FROM json_each(body, '$.sources')) WHERE typeof(number) = 'integer' AND number < 1000000000) AS lines,
            (SELECT sum(number) FROM (SELECT CASE type WHEN 'object' THEN json_extract(value, '$.unparsed') END AS number
                FROM json_each(body, '$.sources')) WHERE typeof(number) = 'integer' AND number < 1000000000) AS unparsed,
            (SELECT number FROM (SELECT CASE type WHEN 'object' THEN json_extract(value, '$.clock_offset_s') END AS number
                FROM json_each(body, '$.sources')) WHERE typeof(number) = 'integer'
                ORDER BY max(number, -number) DESC LIMIT 1) AS clock_s,
            (SELECT group_concat(name) FROM (SELECT CASE type WHEN 'object' THEN json_extract(value, '$.dialect') END AS name
                FROM json_each(body, '$.sources')) WHERE typeof(name) = 'text') AS dialects
        FROM (SELECT ods, site, date, revision, device, received_at,
            CASE WHEN json_valid(CAST(body AS TEXT)) THEN CAST(body AS TEXT) END AS body FROM day_revision);
    CREATE TRIGGER site_day_has_the_newest AFTER INSERT ON day_revision BEGIN
        INSERT INTO site_day SELECT * FROM site_day_of_revision
            WHERE ods = new.ods AND site = new.site AND date = new.date AND revision = new.revision
            ON CONFLICT (ods, site, date) DO UPDATE SET revision = excluded.revision, device = excluded.device,
                received_at = excluded.received_at, observed_s = excluded.observed_s, length_s = excluded.length_s,
                lines = excluded.lines, unparsed = excluded.unparsed, clock_s = excluded.clock_s,
                dialects = excluded.dialects
            WHERE excluded.revision > site_day.revision;
    END;
    INSERT INTO site_day SELECT * FROM site_day_of_revision AS one WHERE revision =
        (SELECT max(revision) FROM day_revision WHERE ods = one.ods AND site = one.site AND date = one.date);
";

impl Sites for Sqlite {
    fn sites_newest(&self) -> Result<Vec<SiteNewest>, ArchiveError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(SITES_NEWEST)?;
        let rows = statement.query_map([], |row| {
            Ok(SiteNewest {
                ods: row.get(0)?,
                site: row.get(1)?,
                first: parsed(row, 2)?,
                date: parsed(row, 3)?,
                revision: row.get(4)?,
                device: row.get(5)?,
                received_at: parsed(row, 6)?,
                observed_s: natural(row.get(7)?),
                length_s: natural(row.get(8)?),
                lines: natural(row.get(9)?),
                unparsed: natural(row.get(10)?),
                clock_s: row.get(11)?,
                dialects: split_dialects(row.get(12)?),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn observed_since(&self, from: Date) -> Result<ObservedDays, ArchiveError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT ods, site, date, observed_s, length_s FROM site_day WHERE date >= ?1 ORDER BY ods, site, date",
        )?;
        let mut rows = statement.query([from.to_string()])?;
        let mut days = Vec::new();
        while let Some(row) = rows.next()? {
            let day =
                ObservedDay { date: parsed(row, 2)?, observed_s: natural(row.get(3)?), length_s: natural(row.get(4)?) };
            let text = |column| row.get_ref(column)?.as_str().map_err(|_| rusqlite::Error::InvalidQuery);
            gather(&mut days, text(0)?, text(1)?, day);
        }
        Ok(days.into_iter().collect())
    }
}

fn natural(number: Option<i64>) -> Option<u64> {
    number?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::supplier::archive::Archive;

    #[test]
    fn what_was_held_before_the_table_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        drop(Archive::open(&path).unwrap());
        let db = rusqlite::Connection::open(&path).unwrap();
        let keep = |date: &str, revision: u32, body: &str| {
            let statement = "INSERT INTO day_revision
                (ods, site, date, revision, sha256, body, schema, device, receipt_id, received_at, warnings)
                VALUES ('A81001', 'main', ?1, ?2, ?3, ?4, 's', 'box', ?3, '2026-11-21T02:00:00Z', '[]')";
            db.execute(statement, (date, revision, format!("{date} {revision}"), body.as_bytes())).unwrap();
        };
        let body = |observed_s: u32| {
            let sources = r#"[{"dialect":"b","lines":3,"unparsed":1,"clock_offset_s":-9},{"dialect":"a","lines":4,"unparsed":0,"clock_offset_s":2}]"#;
            format!(r#"{{"coverage":{{"observed_s":{observed_s}}},"day":{{"slots":46}},"sources":{sources}}}"#)
        };
        keep("2026-11-19", 1, "no JSON");
        keep("2026-11-20", 2, &body(7));
        keep("2026-11-20", 1, &body(5));
        let looked = || {
            let archive = Archive::open(&path).unwrap();
            (archive.sites_newest().unwrap(), archive.observed_since(date(2026, 11, 1)).unwrap())
        };
        let (newest, days) = looked();
        let SiteNewest { first, revision, observed_s, length_s, lines, unparsed, clock_s, dialects, .. } = &newest[0];
        assert_eq!((*first, *revision, *observed_s, *length_s), (date(2026, 11, 19), 2, Some(7), Some(82_800)));
        assert_eq!((*lines, *unparsed, *clock_s, dialects.join(" ").as_str()), (Some(7), Some(1), Some(-9), "a b"));
        db.execute_batch("DROP TRIGGER site_day_has_the_newest; DROP VIEW site_day_of_revision; DROP TABLE site_day;")
            .unwrap();
        db.execute_batch(SITE_DAYS).unwrap();
        assert_eq!(looked(), (newest, days));
    }
}
