//! The fleet as one page: no script, nothing fetched, worst first. Whatever a box said is text.

use jiff::Timestamp;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::words::{count, first_of, percent, since, stretches};
use super::{DAYS_BACK, Fleet, Member, State, zone};

const STYLE: &str = include_str!("page.css");

/// The page.
pub fn page(fleet: &Fleet) -> String {
    let Fleet { at, thresholds, forgotten, .. } = fleet;
    let markup = html! {
        (DOCTYPE)
        html lang="en-GB" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Fleet: " (summary(fleet)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { "Fleet" }
                    p { (local(*at)) " · " (count(fleet.members.len() as u64, "site")) }
                    ul.counts {
                        @for state in State::ALL {
                            @let number = fleet.counts.get(state.word()).copied().unwrap_or_default();
                            li class=(state.word()) {
                                @if number > 0 { a href={ "#" (state.word()) } { b { (number) } " " (state.word()) } }
                                @else { b { "0" } " " (state.word()) }
                            }
                        }
                    }
                }
                @if fleet.members.is_empty() { p { "No document and no sign of life has come yet." } }
                @for state in State::ALL {
                    @let members: Vec<&Member> = fleet.members.iter().filter(|member| member.state == state).collect();
                    @if !members.is_empty() { (section(state, &members, *at)) }
                }
                footer {
                    p {
                        "Silent: nothing heard for " (count(thresholds.silent_h.unsigned_abs(), "hour"))
                        ". Late: the newest day due is not here " (count(thresholds.late_h.unsigned_abs(), "hour"))
                        " after its end. Gappy: days missing of the last " (DAYS_BACK)
                        ", or less than 95 % of the last seven observed. A dash: not known."
                    }
                    @if *forgotten > 0 {
                        p {
                            (count(*forgotten as u64, "site")) " of which nothing was heard for more than "
                            (count(thresholds.forget_days.unsigned_abs(), "day")) ": not listed."
                        }
                    }
                }
            }
        }
    };
    markup.into_string()
}

fn summary(fleet: &Fleet) -> String {
    let counts = State::ALL.iter().filter_map(|state| {
        let number = fleet.counts.get(state.word()).copied().filter(|number| *number > 0)?;
        Some(format!("{number} {}", state.word()))
    });
    counts.collect::<Vec<_>>().join(", ")
}

fn section(state: State, members: &[&Member], at: Timestamp) -> Markup {
    let columns = [
        ("Practice", ""),
        ("Newest day", ""),
        ("Sign of life", "n"),
        ("Observed, day", "n"),
        ("7 days", "n"),
        ("Missing", "n"),
        ("Box clock", "n"),
        ("PBX clock", "n"),
        ("Not understood", "n"),
        ("Dialect", ""),
        ("Version", ""),
        ("Key, days", "n"),
        ("Our cert., days", "n"),
    ];
    html! {
        section id=(state.word()) {
            h2 class=(state.word()) { (state.word()) " " span { (members.len()) } }
            table {
                thead { tr { @for (name, class) in columns { th scope="col" class=(class) { (name) } } } }
                @for member in members { (rows(member, columns.len(), at)) }
            }
        }
    }
}

/// A member: its figures, and below them the reasons.
fn rows(member: &Member, columns: usize, at: Timestamp) -> Markup {
    let last = member.last_document.as_ref();
    let unparsed = last.and_then(|last| last.unparsed_per_10000);
    html! {
        tbody class=(member.state.word()) {
            tr {
                th scope="row" {
                    @match (&member.ods, &member.site) {
                        (Some(ods), Some(site)) => { (ods) " " span.site { (site) } }
                        _ => { span.site { "may send for " (first_of(&member.may_send_for)) } }
                    }
                    @if let Some(device) = &member.device { br; code { (device) } }
                }
                td {
                    @match last {
                        Some(last) => {
                            (last.date)
                            @if last.revision > 1 { " rev. " (last.revision) }
                            br; span.small { "came " (last.received_at.to_zoned(zone()).strftime("%-d %b %H:%M")) }
                        }
                        None => "–",
                    }
                }
                td.n { (member.last_heartbeat.map_or("–".to_owned(), |last| since(last, at))) }
                td.n { (or_dash(member.observed_day_per_10000.map(percent))) }
                td.n { (or_dash(member.observed_week_per_10000.map(percent))) }
                td.n title=(stretches(&member.missing)) {
                    (or_dash(member.last_document.is_some().then_some(member.missing.len())))
                }
                td.n { (or_dash(member.said.clock_ahead_s.map(seconds))) }
                td.n { (or_dash(last.and_then(|last| last.pbx_clock_s).map(seconds))) }
                td.n { (or_dash(unparsed.map(|share| format!("{}.{:02} %", share / 100, share % 100)))) }
                td { (or_dash((!member.dialects.is_empty()).then(|| member.dialects.join(", ")))) }
                td { (or_dash(member.said.version.as_deref())) }
                td.n { (or_dash(member.said.key_days)) }
                td.n { (or_dash(member.said.certificate_days)) }
            }
            @if !member.reasons.is_empty() {
                tr.why { td colspan=(columns) { ul { @for reason in &member.reasons { li { (reason) } } } } }
            }
        }
    }
}

fn or_dash(value: Option<impl std::fmt::Display>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| value.to_string())
}

fn seconds(seconds: i64) -> String {
    match seconds {
        0 => "0 s".to_owned(),
        seconds => format!("{seconds:+} s"),
    }
}

fn local(at: Timestamp) -> String {
    at.to_zoned(zone()).strftime("%a %-d %b %Y, %H:%M").to_string()
}
