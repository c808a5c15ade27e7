//! `smdrd dialects guide`: the page for who stands before a PBX with a laptop and a cable, made of the dialect file and of
//! the notes that a person wrote. `make guides` keeps the pages in `docs/pbx`.

use std::collections::BTreeMap;

use crate::dialect::cannot::sentences;
use crate::dialect::{Dialect, Library, LinkKey};
use crate::framing::Protocol;
use crate::record::StampKind;

/// Lines of an example that are shown at most: a page is to be read on site.
const MOST_LINES: usize = 24;

/// What stands before and after a source, so that what is pasted is a whole configuration.
const BEFORE: &str = "[[practice]]\nods = \"A81001\"                 # the practice's own ODS code\n\n";
const AFTER: &str = "\n[numbers]\nown = [\"01632960100-01632960199\"]   # the practice's own numbers, in national form\n\
                     access-digits = [\"9\"]          # what is dialled for an outside line\n\n[roles.stations]\n\
                     \"300\" = \"hunt-group\"           # what is no person's telephone, as the PBX prints it\n\
                     \"399\" = \"voicemail\"\n";
/// What holds for every cable.
const CABLE: &str = "\n\nThe box's DE-9: 2 receives, 3 sends, 5 is ground, 7 RTS, 8 CTS, 4 DTR, 6 DSR. A PBX port that is a DTE \
                     (most are, as for a\nprinter) needs a null modem: 2 and 3 crossed, 7 and 8 crossed, 4 to 6 and back. One \
                     that is a DCE needs a straight cable.\nThe wrong one does no harm and brings nothing. No output at all: set \
                     `dtr = true` and `rts = true`, or strap them at the\nPBX. Rubbish: wrong speed or parity; `smdrd detect` \
                     finds both. More in `docs/sources.md`.";

/// What a person wrote: two lines for the index, then sections.
#[derive(Debug, Default)]
struct Notes<'a> {
    connects: &'a str,
    sure: &'a str,
    sections: BTreeMap<&'a str, &'a str>,
}

impl<'a> Notes<'a> {
    fn of(dialect: &Dialect) -> Notes<'a> {
        let Some(text) = dialect.notes() else { return Notes::default() };
        let mut parts = text.split("\n## ");
        let head = parts.next().unwrap_or_default();
        let line = |key: &str| head.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default().trim();
        let section = |part: &'a str| part.split_once('\n').map(|(title, body)| (title.trim(), body.trim()));
        Notes { connects: line("connects:"), sure: line("sure:"), sections: parts.filter_map(section).collect() }
    }

    fn section(&self, title: &str) -> &'a str {
        self.sections.get(title).copied().unwrap_or(
            "There are no notes: this dialect is a file of the site. `smdrd dialects show` has what its writer said.",
        )
    }
}

/// The page of one dialect.
pub(super) fn page(dialect: &Dialect) -> String {
    let notes = Notes::of(dialect);
    let Dialect { id, name, .. } = dialect;
    let mut page = format!("# {name}\n\n");
    if dialect.notes().is_some() {
        page += &format!(
            "<!-- Written by `make guides` from config/dialects/{id}.toml and docs/pbx/notes/{id}.md: change those. -->\n\n"
        );
    }
    page += &format!("Dialect `{id}`. ");
    if !notes.connects.is_empty() {
        page += &format!("Connects by {}. How sure: {}.", notes.connects, notes.sure);
    }
    page = page.trim_end().to_owned() + "\n";
    if !dialect.models.is_empty() {
        page += &format!("\nAlso called, or on the cabinet: {}.\n", dialect.models.join(", "));
    }
    section(&mut page, "1. Switch it on", notes.section("Switch it on"));
    section(&mut page, "2. Cable and port", &cable(&notes));
    section(&mut page, "3. Configuration", &configuration(dialect, &notes));
    section(&mut page, "4. See that it works", &check(dialect, &notes));
    section(&mut page, "5. What it cannot say", &lacks(dialect));
    section(&mut page, "6. When the link is down", notes.section("When the link is down"));
    section(&mut page, "7. Quirks", notes.section("Quirks"));
    section(&mut page, "8. What the lines say", &says(dialect));
    section(&mut page, "9. An example", &example(dialect));
    section(&mut page, "10. How sure, and from what", notes.section("How sure"));
    page
}

fn section(page: &mut String, title: &str, text: &str) {
    *page += &format!("\n## {title}\n\n{}\n", text.trim());
}

fn cable(notes: &Notes<'_>) -> String {
    let serial = notes.section("Configuration").contains("[source.serial]");
    format!("{}{}", notes.section("Cable and port"), if serial { CABLE } else { "" })
}

fn configuration(dialect: &Dialect, notes: &Notes<'_>) -> String {
    let mut text =
        "Into `/etc/smdrd/smdrd.toml`; then `smdrd check`. `docs/config.md` explains every key.\n\n".to_owned();
    let snippets = notes.section("Configuration");
    if snippets.matches("```toml\n").count() > 1 {
        text =
            text.trim_end().to_owned() + " The first piece is whole; another takes the place of its `[[source]]`.\n\n";
    }
    // The first is made whole; the others only say what is different.
    text += &match snippets.split_once("```toml\n").and_then(|(lead, rest)| Some((lead, rest.split_once("\n```")?))) {
        Some((lead, (first, rest))) => format!("{lead}```toml\n{BEFORE}{first}\n{AFTER}```{rest}"),
        None => snippets.to_owned(),
    };
    text += "\n";
    if !dialect.options.is_empty() {
        text += "\nOptions, under `[source.options]`:\n\n| option | values | default | what for |\n|---|---|---|---|\n";
        for (name, option) in &dialect.options {
            let values = if option.words { "the site's own words".into() } else { option.values.join(", ") };
            let default = if option.default.is_empty() { "none" } else { &option.default };
            text += &format!("| `{name}` | {values} | {default} | {} |\n", cell(&option.doc));
        }
    }
    text
}

fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|").replace('<', "\\<")
}

fn check(dialect: &Dialect, notes: &Notes<'_>) -> String {
    let cannot = |word: &str| dialect.cannot.iter().any(|said| said == word);
    let first =
        notes.section("Configuration").split("\n```").find(|part| part.contains("[[source]]")).unwrap_or_default();
    let files = first.contains("[source.folder]");
    let mut text = String::new();
    if files {
        text += &format!("1. `smdrd detect FILE`, with a file of the PBX: `{}`, certain.\n", dialect.id);
    } else if first.contains("[source.tcp-connect]")
        && (notes.connects.contains("log-in") || !matches!(dialect.protocol(), Protocol::Lines | Protocol::StxEtx))
    {
        text += "1. `smdrd detect` hears nothing here before a log-in or a request, which only the daemon makes: go on with 2.\n";
    } else {
        let at = match first {
            _ if first.contains("[source.serial]") => "/dev/serial/by-id/…",
            _ if first.contains("[source.tcp-listen]") => "tcp://0.0.0.0:PORT",
            _ => "tcp://ADDRESS:PORT",
        };
        text += &format!(
            "1. Before the daemon has the port: `smdrd detect {at}`, and make three calls. `{}`, certain.\n",
            dialect.id
        );
    }
    text += "2. `smdrd check`, `systemctl restart smdrd`, `smdrd status --watch`: the link is up.\n\
             3. Ring in from a mobile, let a person answer, speak for half a minute, hang up. A record more.\n";
    text += if cannot("inbound") {
        "4. Incoming calls are not to be seen in this format: a record may come that nothing is counted from.\n"
    } else if cannot("unanswered") {
        "4. Ring in and hang up before anybody answers: nothing comes, and nothing can (section 5).\n"
    } else {
        "4. Ring in and hang up before anybody answers. A record more; nothing: section 1 says what switches it on.\n"
    };
    text += "5. Ring in, have it answered and passed on. Ring out once.\n\
             6. `smdrd status` again: 0 not understood. If there are any: `docs/dialects.md`, putting a dialect right.\n";
    format!("{text}\n{}", notes.section("Check"))
}

fn lacks(dialect: &Dialect) -> String {
    let listed = |words: &[String]| -> String {
        let words = words.iter().map(String::as_str);
        words.clone().zip(sentences(words)).map(|(word, sentence)| format!("* `{word}`: {sentence}\n")).collect()
    };
    let mut text = listed(&dialect.cannot);
    for (name, option) in &dialect.options {
        for (value, words) in &option.cannot {
            text += &format!(
                "\nWith `{name} = \"{value}\"`{}:\n\n",
                match () {
                    () if *value == option.default => ", the default",
                    () if option.told_by.contains_key(value) => ", or where the lines show that they are so",
                    () => "",
                }
            );
            text += &listed(words);
        }
    }
    if text.is_empty() {
        "Nothing that the figures need.".to_owned()
    } else {
        text + "\nUnknown is null in the document, not 0."
    }
}

fn says(dialect: &Dialect) -> String {
    let stamp = match dialect.stamp() {
        Some(StampKind::Arrival) => "The time of a line is that of the call's arrival (outgoing: of taking the line).",
        Some(StampKind::Answer) => "The time of a line is that of the answer.",
        Some(StampKind::End) => "The time of a line is that of the end; the arrival is worked out from it.",
        Some(StampKind::Event) => "The time of a line is that of an event during the call.",
        Some(StampKind::Unknown) => "Which moment the time of a line means depends on its kind, or is not known.",
        None => "No time is printed.",
    };
    let joined = match dialect.linking().by {
        LinkKey::CallId => "Lines of one call have a call id in common.",
        LinkKey::TrunkAndPeer => "Lines of one call are joined by line, caller and time.",
        LinkKey::Trunk => "Lines of one call are joined by line and time.",
        LinkKey::Nothing => "Each record is a call.",
    };
    let transport = if dialect.transport.is_empty() { String::new() } else { format!("\n\n{}", dialect.transport) };
    format!("{stamp} {joined}\n\n```text\n{}{transport}\n```", dialect.doc)
}

fn example(dialect: &Dialect) -> String {
    let Some(sample) = dialect.samples().next() else { return "The file has none.".to_owned() };
    let lines: Vec<&str> = sample.lines.lines().collect();
    let mut text = format!("{}:\n\n", first_letter_up(sample.name));
    let options = sample.options.iter().map(|(name, value)| format!("`{name} = \"{value}\"`"));
    let options = options.collect::<Vec<_>>().join(", ");
    if !options.is_empty() {
        text += &format!("(with {options})\n\n");
    }
    text += "```\n";
    for line in lines.iter().take(MOST_LINES) {
        text += &format!("{}\n", line.trim_end());
    }
    text += "```\n";
    match dialect.records_of(&sample) {
        Ok(records) => {
            let all = if lines.len() > MOST_LINES { ", with the lines that are left out here," } else { "" };
            text += &format!("\n`smdrd parse`{all} makes of it:\n\n```\n");
            for record in records {
                text += &format!("{}\n", serde_json::Value::Object(record));
            }
            text + "```"
        }
        Err(error) => text + &format!("\n{error}"),
    }
}

fn first_letter_up(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// The index: every dialect with what it cannot say, then every name on a cabinet.
pub(super) fn index(library: &Library) -> String {
    let dialects: Vec<&Dialect> = library.ids().filter_map(|id| library.get(id)).collect();
    let mut text = "# Which PBX\n\n<!-- Written by `make guides`: change config/dialects/*.toml and docs/pbx/notes/*.md. \
                    -->\n\nFind the name on the cabinet in the second table, or let `smdrd dialects list NAME` or `smdrd \
                    detect` find it. Each page is also in the program: `smdrd dialects guide ID`.\n\n| PBX | guide | \
                    connects by | never shows | how sure |\n|---|---|---|---|---|\n"
        .to_owned();
    for dialect in &dialects {
        let notes = Notes::of(dialect);
        let Dialect { id, name, .. } = dialect;
        let mut never = dialect.cannot.join(", ");
        for option in dialect.options.values() {
            if let Some(words) = option.cannot.get(&option.default) {
                never += &format!("; as set by default {}", words.join(", "));
            }
        }
        let never = if never.is_empty() { "–" } else { never.trim_start_matches("; ") };
        let (connects, sure) = (cell(notes.connects), cell(notes.sure));
        text += &format!("| {} | [`{id}`]({id}.md) | {connects} | {never} | {sure} |\n", cell(name));
    }
    text += "\n## What the words mean\n\n";
    for lack in &crate::dialect::cannot::LACKS {
        text += &format!("* `{}`: {}\n", lack.word, lack.sentence);
    }
    text += "\n## By the name on the cabinet\n\n| name | guide |\n|---|---|\n";
    let mut models: Vec<(String, &str, &str)> = Vec::new();
    for dialect in &dialects {
        models.extend(dialect.models.iter().map(|model| (model.to_lowercase(), model.as_str(), dialect.id.as_str())));
    }
    models.sort();
    for (_, model, id) in models {
        text += &format!("| {} | [`{id}`]({id}.md) |\n", cell(model));
    }
    text += "\nA PBX that is not here: `smdrd detect` may know its lines all the same, since many are sold under other names. \
             `docs/dialects.md` says how a dialect file is written.\n";
    text
}
