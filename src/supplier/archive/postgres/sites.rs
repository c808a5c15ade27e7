//! Sites and their days in PostgreSQL.

use jiff::civil::Date;
use tokio_postgres::Row;

use super::super::ArchiveError;
use super::super::sites::{ObservedDay, ObservedDays, SITES_NEWEST, SiteNewest, Sites, gather, split_dialects};
use super::Postgres;

/// The table, what keeps it, and what was here before. A body that is no JSON, or in which a number is none, is a day without
/// figures: it is kept all the same.
pub const SITE_DAYS: &str = "
    CREATE TABLE site_day (
        ods text COLLATE \"C\" NOT NULL, site text COLLATE \"C\" NOT NULL, date date NOT NULL, revision bigint NOT NULL,
        device text COLLATE \"C\" NOT NULL, received_at timestamptz NOT NULL, observed_s bigint, length_s bigint,
        lines bigint, unparsed bigint, clock_s bigint, dialects text,
        PRIMARY KEY (ods, site, date)
    );
    CREATE FUNCTION smdr_feed_figures(
        body bytea, OUT observed_s bigint, OUT length_s bigint, OUT lines bigint, OUT unparsed bigint, OUT clock_s bigint,
        OUT dialects text
    ) LANGUAGE plpgsql AS $$
        DECLARE
            said json;
        BEGIN
            said := convert_from(body, 'UTF8')::json;
            observed_s := (said #>> '{coverage,observed_s}')::bigint;
            length_s := (said #>> '{day,slots}')::bigint * 1800;
            SELECT sum((source ->> 'lines')::bigint), sum((source ->> 'unparsed')::bigint),
                (array_agg((source ->> 'clock_offset_s')::bigint
                    ORDER BY abs((source ->> 'clock_offset_s')::bigint) DESC NULLS LAST))[1],
                string_agg(source ->> 'dialect', ',')
            INTO lines, unparsed, clock_s, dialects FROM json_array_elements(said -> 'sources') AS source;
        EXCEPTION WHEN data_exception THEN
            observed_s := NULL; length_s := NULL; lines := NULL; unparsed := NULL; clock_s := NULL; dialects := NULL;
        END
    $$;
    CREATE FUNCTION smdr_feed_keep_site_day() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO site_day SELECT new.ods, new.site, new.date, new.revision, new.device, new.received_at, figures.*
                FROM smdr_feed_figures(new.body) AS figures
                ON CONFLICT (ods, site, date) DO UPDATE SET revision = excluded.revision, device = excluded.device,
                    received_at = excluded.received_at, observed_s = excluded.observed_s, length_s = excluded.length_s,
                    lines = excluded.lines, unparsed = excluded.unparsed, clock_s = excluded.clock_s,
                    dialects = excluded.dialects
                WHERE excluded.revision > site_day.revision;
            RETURN NULL;
        END
    $$;
    INSERT INTO site_day SELECT DISTINCT ON (ods, site, date)
            ods, site, date, revision, device, received_at, figures.*
        FROM day_revision, LATERAL smdr_feed_figures(body) AS figures ORDER BY ods, site, date, revision DESC;
    CREATE TRIGGER site_day_has_the_newest AFTER INSERT ON day_revision
        FOR EACH ROW EXECUTE FUNCTION smdr_feed_keep_site_day();
";

impl Sites for Postgres {
    fn sites_newest(&self) -> Result<Vec<SiteNewest>, ArchiveError> {
        self.run(async |client| {
            let statement = client.prepare_cached(SITES_NEWEST).await?;
            let rows = client.query(&statement, &[]).await?;
            let natural = |row: &Row, column| row.try_get(column).map(natural);
            rows.iter()
                .map(|row| {
                    Ok(SiteNewest {
                        ods: row.try_get(0)?,
                        site: row.try_get(1)?,
                        first: row.try_get(2)?,
                        date: row.try_get(3)?,
                        revision: natural(row, 4)?.and_then(|revision| revision.try_into().ok()).unwrap_or(u32::MAX),
                        device: row.try_get(5)?,
                        received_at: row.try_get(6)?,
                        observed_s: natural(row, 7)?,
                        length_s: natural(row, 8)?,
                        lines: natural(row, 9)?,
                        unparsed: natural(row, 10)?,
                        clock_s: row.try_get(11)?,
                        dialects: split_dialects(row.try_get(12)?),
                    })
                })
                .collect()
        })
    }

    fn observed_since(&self, from: Date) -> Result<ObservedDays, ArchiveError> {
        self.run(async |client| {
            let statement = client
                .prepare_cached(
                    "SELECT ods, site, date, observed_s, length_s FROM site_day
                     WHERE date >= $1 ORDER BY ods, site, date",
                )
                .await?;
            let mut days = Vec::new();
            for row in client.query(&statement, &[&from]).await? {
                let day = ObservedDay {
                    date: row.try_get(2)?,
                    observed_s: natural(row.try_get(3)?),
                    length_s: natural(row.try_get(4)?),
                };
                gather(&mut days, row.try_get(0)?, row.try_get(1)?, day);
            }
            Ok(days.into_iter().collect())
        })
    }
}

fn natural(number: Option<i64>) -> Option<u64> {
    number?.try_into().ok()
}
