//! The call-level export of a month: whether it may be made, the practice's consent to it, and the file. Every try stands in
//! the audit.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::answers::{audit, gone, stored, whose};
use super::courier::practice_of;
use super::desk::Desk;
use super::keeper::Keeper;
use super::report::core_hours_of;
use crate::aggregate::document::DayDocument;
use crate::call::Owner;
use crate::control::{CallLevel, Refusal};
use crate::push::parcel::sha256_hex;
use crate::report::call_level::{Row, Template, file, row};
use crate::report::observed;

/// How much of core hours must have been observed, in percent, unless a reason is accepted. As for the monthly files.
const ENOUGH: u64 = 95;
/// Rows that a look shows.
const SHOWN: usize = 10;
/// The longest name or reason.
const LONGEST: usize = 200;

/// The practice's consent to one month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// Who gave it, by name.
    pub name: String,
    /// Who recorded it.
    pub who: String,
    /// When.
    pub at: Timestamp,
    /// SHA-256 of the template that it is for.
    pub template: String,
    /// Why the month is exported though not enough of it was observed.
    pub accepted: Option<String>,
}

/// What an export would be, or is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exported {
    /// ODS code and site.
    pub practice: String,
    /// The month.
    pub month: String,
    /// The file's columns.
    pub columns: Vec<String>,
    /// How many rows it has.
    pub rows: u64,
    /// Whether somebody compared the template with NHS England's sample.
    pub confirmed: bool,
    /// SHA-256 of the template and its sample.
    pub template: String,
    /// Core hours that were observed, in seconds, and all of them.
    pub core_observed_s: [u64; 2],
    /// The practice's consent, where it is there.
    pub consent: Option<Consent>,
    /// SHA-256 of the file.
    pub sha256: String,
    /// The file; for a look the header and the first rows.
    pub text: String,
}

/// Answers `smdrd export call-level`: the file, or with `look` its first rows.
pub(super) async fn export(desk: &Desk, who: &str, asked: CallLevel, look: bool) -> Result<Value, Refusal> {
    let who = who.to_owned();
    answer(desk, move |keeper| {
        let made = keeper.call_level(&asked);
        let practice = asked.practice.as_deref().unwrap_or("the practice");
        let said = match &made {
            Ok((exported, owner)) => {
                let Exported { rows, sha256, month, .. } = exported;
                let practice = practice_of(owner);
                let what = if look { "looked at" } else { "exported" };
                format!("{what} call-level {month} of {practice}: {rows} rows sha256:{sha256}")
            }
            Err(_) => format!("call-level {} of {practice} refused", month_of(asked.month)),
        };
        let made = made.and_then(|(mut exported, _)| {
            if look {
                exported.text = exported.text.lines().take(SHOWN + 1).map(|line| format!("{line}\n")).collect();
                return Ok(exported);
            }
            consented(&exported, asked.unconfirmed)?;
            Ok(exported)
        });
        let said = match &made {
            Err(_) if !said.ends_with("refused") => format!("{said}, refused"),
            _ => said,
        };
        audit(keeper, &who, &said).map_err(stored)?;
        made
    })
    .await
}

/// Answers `smdrd approve --call-level`.
pub(super) async fn approve(
    desk: &Desk,
    who: &str,
    asked: CallLevel,
    name: String,
    accepted: Option<String>,
) -> Result<Value, Refusal> {
    let who = who.to_owned();
    answer(desk, move |keeper| {
        plain("the name", &name)?;
        accepted.as_deref().map_or(Ok(()), |reason| plain("the reason", reason))?;
        let (mut exported, owner) = keeper.call_level(&asked)?;
        let [seen, of] = exported.core_observed_s;
        if !enough(seen, of) && accepted.is_none() {
            let what = format!("{} of {} seconds of core hours were observed, which is less than {ENOUGH} %", seen, of);
            return Err(Refusal::new(what, "smdrd outages shows why; to export it all the same, give --accept REASON"));
        }
        let now = keeper.clock.now();
        let consent = Consent { name, who: who.clone(), at: now, template: exported.template.clone(), accepted };
        let text = serde_json::to_string(&consent).map_err(|error| Refusal::new(error, "report this"))?;
        let (practice, month) = (practice_of(&owner), &exported.month);
        let mut what = format!(
            "approved call-level {month} of {practice} for {}: {} rows, columns {}, template sha256:{}",
            consent.name,
            exported.rows,
            exported.columns.join(" "),
            consent.template
        );
        if let Some(reason) = &consent.accepted {
            what += &format!(", accepted: {reason}");
        }
        let work = keeper.store.begin().map_err(stored)?;
        work.set_meta(&key(&owner, month), &text).map_err(stored)?;
        work.audit(now, &who, &what).map_err(stored)?;
        work.commit().map_err(stored)?;
        exported.consent = Some(consent);
        exported.text.clear();
        Ok(exported)
    })
    .await
}

/// Answers `smdrd approve --call-level --withdraw`.
pub(super) async fn withdraw(desk: &Desk, who: &str, asked: CallLevel) -> Result<Value, Refusal> {
    let who = who.to_owned();
    answer(desk, move |keeper| {
        let owner = whose(keeper, asked.practice.as_deref())?;
        let (practice, month, now) = (practice_of(&owner), month_of(asked.month), keeper.clock.now());
        let had = keeper.consent(&owner, &month)?.is_some();
        let work = keeper.store.begin().map_err(stored)?;
        work.set_meta(&key(&owner, &month), "null").map_err(stored)?;
        work.audit(now, &who, &format!("withdrew call-level {month} of {practice}")).map_err(stored)?;
        work.commit().map_err(stored)?;
        Ok(serde_json::json!({"practice": practice, "month": month, "withdrawn": had}))
    })
    .await
}

async fn answer<T: Serialize + Send + 'static>(
    desk: &Desk,
    work: impl FnOnce(&mut Keeper) -> Result<T, Refusal> + Send + 'static,
) -> Result<Value, Refusal> {
    let answer = desk.with(work).await.ok_or_else(gone)??;
    serde_json::to_value(answer).map_err(|error| Refusal::new(error, "report this"))
}

fn key(owner: &Owner, month: &str) -> String {
    format!("call-level {} {month}", practice_of(owner))
}

fn month_of(month: Date) -> String {
    month.strftime("%Y-%m").to_string()
}

fn enough(seen: u64, of: u64) -> bool {
    seen * 100 >= of * ENOUGH
}

/// What somebody typed goes into the audit, which holds no number.
fn plain(what: &str, text: &str) -> Result<(), Refusal> {
    let digits = text.chars().filter(char::is_ascii_digit).count();
    if text.trim().is_empty() || text.chars().count() > LONGEST || text.chars().any(char::is_control) {
        return Err(Refusal::new(
            format!("{what} is empty or too long"),
            "write it in one line of up to 200 characters",
        ));
    }
    if digits > 8 {
        return Err(Refusal::new(format!("{what} holds many digits"), "it is kept in the audit: leave numbers out"));
    }
    Ok(())
}

/// Whether the practice agreed to just this, and the template is not a guess.
fn consented(exported: &Exported, unconfirmed: bool) -> Result<(), Refusal> {
    let Exported { month, consent, core_observed_s: [seen, of], .. } = exported;
    let approve = format!("smdrd approve --call-level {month} --name NAME, with the same template");
    let Some(consent) = consent else {
        return Err(Refusal::new(format!("the practice has not approved the call-level export of {month}"), &approve));
    };
    if consent.template != exported.template {
        let what = format!("{month} was approved for another template; what it says of a call may differ");
        return Err(Refusal::new(what, &approve));
    }
    if !enough(*seen, *of) && consent.accepted.is_none() {
        let what = format!("less of {month} was observed than when it was approved: {seen} of {of} s of core hours");
        return Err(Refusal::new(what, &format!("{approve} and --accept REASON")));
    }
    if !exported.confirmed && !unconfirmed {
        return Err(Refusal::new(
            "the template is a reconstruction: nobody has compared it with NHS England's sample",
            "put [confirmed] into a template of your own, or say --unconfirmed",
        ));
    }
    Ok(())
}

impl Keeper {
    fn consent(&self, owner: &Owner, month: &str) -> Result<Option<Consent>, Refusal> {
        let text = self.store.read().meta(&key(owner, month)).map_err(stored)?;
        Ok(text.and_then(|text| serde_json::from_str::<Option<Consent>>(&text).ok()).flatten())
    }

    /// The file of a month, if the month can be exported at all.
    fn call_level(&mut self, asked: &CallLevel) -> Result<(Exported, Owner), Refusal> {
        let owner = whose(self, asked.practice.as_deref())?;
        let template = match &asked.template {
            None => Template::shipped(),
            Some((text, sample)) => Template::read(text, sample)
                .map_err(|error| Refusal::new(error, "docs/export.md says how a template is written"))?,
        };
        let (first, last) = (asked.month.first_of_month(), asked.month.last_of_month());
        let month = month_of(first);
        if !self.is_over(last) {
            let what = format!("{month} is not over: its last day is closed at {}", self.closes_at(last));
            return Err(Refusal::new(what, "a month that is over can be exported"));
        }
        self.tick().map_err(stored)?;
        self.settle_days(self.clock.now(), true, true).map_err(stored)?;
        if let Some(kept) = self.store.read().kept_from().map_err(stored)?.filter(|kept| first < *kept) {
            let what = format!("the calls of {month} are not all kept: they are kept from {kept} on");
            return Err(Refusal::new(what, "export a month sooner, or keep calls longer: retention.call-days"));
        }
        let documents = self.documents_of(&owner, first, last)?;
        known(&documents, &month)?;
        let rows = self.rows_of(&owner, &documents)?;
        let bytes = file(&template, &rows).map_err(|error| Refusal::new(error, "report this"))?;
        let exported = Exported {
            practice: practice_of(&owner),
            columns: template.names(),
            rows: rows.len() as u64,
            confirmed: template.confirmed.is_some(),
            template: template.sha256.clone(),
            core_observed_s: [observed(&documents).core_observed_s, core_hours_of(first, last)],
            consent: self.consent(&owner, &month)?,
            sha256: sha256_hex(&bytes),
            text: String::from_utf8(bytes).map_err(|error| Refusal::new(error, "report this"))?,
            month,
        };
        Ok((exported, owner))
    }

    /// The rows of these days, which must be as many as the documents count.
    fn rows_of(&self, owner: &Owner, documents: &[DayDocument]) -> Result<Vec<Row>, Refusal> {
        let zone = self.config.time_zone();
        let read = self.store.read();
        let mut rows = Vec::new();
        for document in documents {
            let calls = read.calls_of(owner, document.date).map_err(stored)?;
            let of_day = calls.iter().filter(|stored| !stored.call.open).filter_map(|stored| {
                let at = zone.to_datetime(stored.call.arrival);
                row(&stored.call, document.date, at.time())
            });
            let before = rows.len();
            rows.extend(of_day);
            let (made, counted) = ((rows.len() - before) as u64, document.totals.inbound.calls_seen);
            let counted = counted + document.totals.callbacks_made.unwrap_or(0);
            if made != counted {
                let what = format!("of {} {counted} calls are counted and {made} are kept", document.date);
                return Err(Refusal::new(
                    what,
                    "they came in an import beyond retention: such a month has counts only",
                ));
            }
        }
        Ok(rows)
    }
}

/// A file in which some calls are missing by nature would look as if there were none.
fn known(documents: &[DayDocument], month: &str) -> Result<(), Refusal> {
    const CODES: [&str; 6] = ["CBT001", "CBT002", "CBT003", "CBT004", "CBT005", "CBT006"];
    if documents.is_empty() {
        return Err(Refusal::new(format!("nothing was collected in {month}"), "see smdrd status for since when"));
    }
    for document in documents {
        if let Some((code, reason)) = CODES.iter().find_map(|code| Some((code, document.cbt.absent.get(*code)?))) {
            let what =
                format!("{code} of {} is not known ({reason}), and the file would say that it is 0", document.date);
            return Err(Refusal::new(what, "such a month is not exported; its documents say null"));
        }
    }
    Ok(())
}
