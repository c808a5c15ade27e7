//! What the practice is: its code, its numbers, and what its stations are.

use std::collections::BTreeSet;

use super::ask::{Ask, Question, Stop};
use super::roles::{Known, word};
use super::write::Draft;

/// The answers by flag.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "The practice")]
pub(super) struct Practice {
    /// ODS code of the practice, such as A81001
    #[arg(long, value_name = "CODE")]
    ods: Option<String>,
    /// Which of the practice's sites, when it has several
    #[arg(long, value_name = "SITE")]
    site: Option<String>,
    /// Name of this box towards the supplier; made up at the first start without it
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    /// The practice's own numbers, single or FIRST-LAST, parted by commas; may be repeated
    #[arg(long, value_name = "NUMBERS")]
    own: Vec<String>,
    /// Digits dialled for an outside line, parted by commas
    #[arg(long, value_name = "DIGITS")]
    access_digits: Vec<String>,
    /// Whether callers in the queue can ask to be called back
    #[arg(long, value_name = "YES|NO", value_parser = super::arguments::yes_or_no)]
    callback: Option<bool>,
    /// Whether callers hear a menu before they reach a person
    #[arg(long, value_name = "YES|NO", value_parser = super::arguments::yes_or_no)]
    menu: Option<bool>,
    /// Hunt groups, parted by commas; may be repeated, as those that follow
    #[arg(long, value_name = "STATIONS")]
    hunt_group: Vec<String>,
    /// Menus and announcements
    #[arg(long, value_name = "STATIONS")]
    auto_attendant: Vec<String>,
    /// Mailboxes
    #[arg(long, value_name = "STATIONS")]
    voicemail: Vec<String>,
    /// Fax machines
    #[arg(long, value_name = "STATIONS")]
    fax: Vec<String>,
    /// Alarm lines
    #[arg(long, value_name = "STATIONS")]
    alarm: Vec<String>,
    /// Lift telephones
    #[arg(long, value_name = "STATIONS")]
    lift: Vec<String>,
    /// Door stations
    #[arg(long, value_name = "STATIONS")]
    door: Vec<String>,
    /// Trunks to another PBX of the practice
    #[arg(long, value_name = "TRUNKS")]
    tie: Vec<String>,
}

impl Practice {
    /// Whether what has no default is there.
    pub fn complete(&self) -> Result<(), Stop> {
        let asked = [
            (self.ods.is_none(), "the practice's ODS code", "--ods"),
            (self.own.is_empty(), "the practice's own numbers", "--own"),
            (self.callback.is_none(), "whether callers can ask to be called back", "--callback"),
            (self.menu.is_none() && self.auto_attendant.is_empty(), "whether callers hear a menu", "--menu"),
        ];
        match asked.into_iter().find(|(missing, _, _)| *missing) {
            Some((_, what, flag)) => Err(Stop::Missing { what: what.to_owned(), flag }),
            None => Ok(()),
        }
    }
}

/// Asks, and puts the answers into the draft.
pub(super) fn ask(
    ask: &Ask,
    given: &Practice,
    name: Option<&str>,
    heard: &BTreeSet<String>,
    known: Known<'_>,
    draft: &mut Draft,
) -> Result<(), Stop> {
    let by_rule = |path: &'static str, fill: fn(&mut Draft, String)| {
        move |text: &str| {
            let mut tried = Draft::example();
            fill(&mut tried, text.to_owned());
            tried.fault(path).map_or(Ok(text.to_owned()), Err)
        }
    };
    let ods = Question { what: "ODS code of the practice", flag: "--ods", default: None };
    draft.ods = ask.question(ods, given.ods.as_deref(), by_rule("practice[0].ods", |draft, text| draft.ods = text))?;
    let site = Question { what: "Site, when the practice has several", flag: "--site", default: Some("main") };
    draft.site =
        ask.question(site, given.site.as_deref(), by_rule("practice[0].site", |draft, text| draft.site = text))?;
    let source = Question { what: "A name for the PBX", flag: "--name", default: Some("pbx") };
    draft.source = ask.question(source, name, by_rule("source[0].name", |draft, text| draft.source = text))?;
    if let Some(device) = &given.device {
        let device_fault = by_rule("device", |draft, text| draft.device = Some(text));
        let question = Question { what: "Name of this box", flag: "--device", default: None };
        draft.device = Some(ask.question(question, Some(device), device_fault)?);
    }

    let own = |text: &str| {
        let numbers = list(text);
        let tried = Draft { own: numbers.clone(), ..Draft::example() };
        match tried.fault("numbers.own") {
            _ if numbers.is_empty() => Err("at least one; several are parted by commas".to_owned()),
            Some(fault) => Err(fault),
            None => Ok(numbers),
        }
    };
    let what = "The practice's own numbers (01632960100-01632960199, 01632960500)";
    draft.own = ask.question(Question { what, flag: "--own", default: None }, joined(&given.own).as_deref(), own)?;
    let access = |text: &str| {
        let tried = Draft { access: list(text), ..Draft::example() };
        tried.fault("numbers.access-digits").map_or(Ok(list(text)), Err)
    };
    let what = "Digits dialled for an outside line (empty: none)";
    let question = Question { what, flag: "--access-digits", default: Some("") };
    draft.access = ask.question(question, joined(&given.access_digits).as_deref(), access)?;

    let stations: [(&str, &'static str, &'static str, &[String]); 7] = [
        ("Hunt groups", "--hunt-group", "hunt-group", &given.hunt_group),
        ("Menus and announcements", "--auto-attendant", "auto-attendant", &given.auto_attendant),
        ("Voicemail", "--voicemail", "voicemail", &given.voicemail),
        ("Fax machines", "--fax", "fax", &given.fax),
        ("Alarm lines", "--alarm", "alarm", &given.alarm),
        ("Lift telephones", "--lift", "lift", &given.lift),
        ("Door stations", "--door", "door", &given.door),
    ];
    if ask.is_attended() && stations.iter().any(|(_, _, _, given)| given.is_empty()) {
        ask.say("Stations that are no person's telephone, as the PBX prints them, parted by commas; empty for none.");
        if !heard.is_empty() {
            let heard: Vec<&str> = heard.iter().map(String::as_str).collect();
            ask.say(&format!("Heard so far: {}.", heard.join(", ")));
        }
    }
    let proposed = known.proposed(ask, draft)?;
    for (what, flag, role, given) in stations {
        let taken = draft.stations.clone();
        let fits = |text: &str| {
            let named = list(text);
            match named.iter().find_map(|station| Some((station, taken.get(station)?))) {
                Some((station, other)) => Err(format!("{station} is {other} already; a station has one role")),
                None => Ok(named),
            }
        };
        let of_role =
            proposed.iter().filter(|(_, proposed)| word(*proposed) == role).map(|(station, _)| station.as_str());
        let proposed = of_role.collect::<Vec<_>>().join(",");
        let question = Question { what, flag, default: Some(&proposed) };
        for station in ask.question(question, joined(given).as_deref(), fits)? {
            draft.stations.insert(station, role);
        }
    }
    if let Some(trunks) = joined(&given.tie) {
        draft.trunks = list(&trunks).into_iter().map(|trunk| (trunk, "tie")).collect();
    }
    draft.callback = ask.yes("Can callers in the queue ask to be called back", "--callback", given.callback, None)?;
    let has_menu = draft.stations.values().any(|role| *role == "auto-attendant");
    let menu = given.menu.or(has_menu.then_some(true));
    draft.menu = ask.yes("Do callers hear a menu before they reach a person", "--menu", menu, None)?;
    Ok(())
}

/// What several flags of one name say; nothing where there is none.
fn joined(values: &[String]) -> Option<String> {
    (!values.is_empty()).then(|| values.join(","))
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|value| !value.is_empty()).map(str::to_owned).collect()
}
