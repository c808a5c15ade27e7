//! What the verb `report` is told: the documents of its days, and their calls under every definition.

use std::collections::HashMap;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::answers::{audit, gone, stored, whose};
use super::desk::Desk;
use super::keeper::Keeper;
use super::outages::{Outages, outages};
use crate::aggregate::definitions::Case;
use crate::aggregate::document::{DayDocument, PracticeSite};
use crate::aggregate::side_by_side::Tally;
use crate::call::{CallKind, LineRef, Owner, Site, queued};
use crate::control::Refusal;
use crate::record::MaskedRecord;
use crate::report::{Inputs, Report, report};
use crate::store::StoreError;

/// What the verb is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The figures.
    pub report: Report,
    /// When calls were not seen, or not rightly.
    pub outages: Outages,
}

/// Answers the verb. Day by day, so that lines that come meanwhile do not wait for all of it.
pub(super) async fn answer(
    desk: &Desk,
    who: &str,
    from: Date,
    to: Date,
    practice: Option<String>,
) -> Result<Value, Refusal> {
    let who = who.to_owned();
    let begun = desk.with(move |keeper| {
        let owner = whose(keeper, practice.as_deref())?;
        if from > to {
            return Err(Refusal::new(format!("{from} is after {to}"), "name the earlier day first"));
        }
        let (ods, site) = owner.key();
        audit(keeper, &who, &format!("report of {ods}/{site} from {from} to {to}")).map_err(stored)?;
        let days = keeper.days_of(&owner, from, to)?;
        Ok((owner, days))
    });
    let (owner, Days { dates, before, ahead }) = begun.await.ok_or_else(gone)??;
    let (mut documents, mut calls) = (Vec::new(), Ok(Tally::default()));
    if dates.is_empty() {
        calls = Err("no day has figures".to_owned());
    }
    for date in dates {
        let of = owner.clone();
        let day = desk.with(move |keeper| {
            let document = keeper.document_of(&of, date)?;
            let calls = keeper.tally(&of, &document).map_err(stored)?;
            Ok::<_, Refusal>((document, calls))
        });
        let (document, of_day) = day.await.ok_or_else(gone)??;
        documents.push(document);
        match (&mut calls, of_day) {
            (Ok(all), Ok(of_day)) => all.merge(&of_day),
            (Ok(_), Err(why)) => calls = Err(why),
            (Err(_), _) => {}
        }
    }
    let (ods, site) = owner.key();
    let practice = PracticeSite { ods: ods.to_string(), site: site.to_string() };
    let report =
        report(Inputs { practice, from, to, documents: &documents, days_before: before, days_ahead: ahead, calls });
    let outages = desk.with(move |keeper| outages(keeper, from, to)).await.ok_or_else(gone)?.map_err(stored)?;
    serde_json::to_value(Answer { report, outages }).map_err(|error| Refusal::new(error, "report this"))
}

/// The days of a stretch that have figures, and how many lie before and ahead of them.
#[derive(Debug)]
struct Days {
    dates: Vec<Date>,
    before: u32,
    ahead: u32,
}

impl Keeper {
    fn days_of(&self, owner: &Owner, from: Date, to: Date) -> Result<Days, Refusal> {
        let today = self.date(self.clock.now());
        let read = self.store.read();
        let began = read.meta("first_day").map_err(stored)?.and_then(|text| text.parse::<Date>().ok());
        let mut days = Days { dates: Vec::new(), before: 0, ahead: 0 };
        let mut next = from;
        while next <= to {
            let known = began.is_some_and(|began| began <= next) || read.day(owner, next).map_err(stored)?.is_some();
            match () {
                () if next > today => days.ahead += 1,
                () if !known => days.before += 1,
                () => days.dates.push(next),
            }
            let Ok(tomorrow) = next.tomorrow() else { break };
            next = tomorrow;
        }
        Ok(days)
    }

    fn document_of(&self, owner: &Owner, date: Date) -> Result<DayDocument, Refusal> {
        let body = self.day(owner, date).map_err(stored)?;
        serde_json::from_slice(&body).map_err(|error| Refusal::new(error, "report this"))
    }

    /// The documents of the days from `from` to `to` that have figures, as they are or would be sent.
    pub(super) fn documents_of(&self, owner: &Owner, from: Date, to: Date) -> Result<Vec<DayDocument>, Refusal> {
        self.days_of(owner, from, to)?.dates.into_iter().map(|date| self.document_of(owner, date)).collect()
    }

    /// The site as it is configured, with the files that stand for its sources.
    pub(super) fn site(&self) -> Result<Site, StoreError> {
        let mut site = Site::new(&self.config, &self.ids);
        for row in self.store.read().imports()? {
            if let Some(of) = self.ids.get(&row.of) {
                site.stands_for(row.source, *of);
            }
        }
        Ok(site)
    }

    /// The calls of a day under every definition; or why not all of them are there.
    fn tally(&self, owner: &Owner, document: &DayDocument) -> Result<Result<Tally, String>, StoreError> {
        let read = self.store.read();
        let date = document.date;
        if let Some(kept) = read.kept_from()?.filter(|kept| date < *kept) {
            return Ok(Err(format!("calls are kept from {kept} on (retention.call-days)")));
        }
        let site = self.site()?;
        let names = read.names_by_id()?;
        let records = records(read.records_of(date, date)?);
        let lacks = |source: u16, word: &str| {
            let of_source = |name: &String| document.sources.iter().find(|one| one.name == *name);
            names.get(&source).and_then(of_source).is_some_and(|one| one.cannot.iter().any(|said| said == word))
        };
        let mut tally = Tally::default();
        for stored in read.calls_of(owner, date)?.iter().filter(|stored| !stored.call.open) {
            let call = &stored.call;
            if call.kind != CallKind::Inbound {
                continue;
            }
            let of_call = records.get(&call.id).map(Vec::as_slice).unwrap_or_default();
            tally.add(&Case {
                call,
                shows_ring: !lacks(call.id.source, "ring"),
                queued: queued(&site, call.id.source, of_call),
                repeat: document.totals.inbound.repeat_calls.map(|_| stored.repeat),
            });
        }
        let (counted, kept) = (document.totals.inbound.calls_seen, tally.calls());
        if kept != counted {
            return Ok(Err(format!("of {date} {counted} calls are counted and {kept} are kept")));
        }
        Ok(Ok(tally))
    }
}

fn records(rows: Vec<(LineRef, MaskedRecord)>) -> HashMap<LineRef, Vec<MaskedRecord>> {
    let mut records: HashMap<LineRef, Vec<MaskedRecord>> = HashMap::new();
    for (call, record) in rows {
        records.entry(call).or_default().push(record);
    }
    records
}

/// How much of a month's core hours there is, by the calendar.
pub(super) fn core_hours_of(from: Date, to: Date) -> u64 {
    use crate::aggregate::calendar::{bank_holiday, is_working_day};
    use crate::aggregate::silence::CORE_HOURS;
    let days = from.series(jiff::ToSpan::days(1)).take_while(|day| *day <= to);
    let a_day = u64::try_from(CORE_HOURS.1 - CORE_HOURS.0).unwrap_or(0);
    days.filter(|day| is_working_day(*day, bank_holiday(*day))).count() as u64 * a_day
}
