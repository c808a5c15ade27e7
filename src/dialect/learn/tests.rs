use jiff::civil::date;

use super::*;

fn learn(lines: Vec<Vec<u8>>) -> Draft {
    Draft::new(lines, date(2026, 11, 21)).unwrap()
}

fn capture(path: &str) -> Vec<Vec<u8>> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures").join(path);
    let bytes = std::fs::read(path).unwrap();
    bytes.split(|byte| matches!(byte, b'\r' | b'\n' | 0x0c)).map(<[u8]>::to_vec).collect()
}

/// Each column as `first-last type format role`.
fn told(draft: &Draft) -> Vec<String> {
    let column = |column: &Column| {
        let place = match column.place {
            Place::Span(from, to) => format!("{}-{to}", from + 1),
            Place::Index(index) => format!("{}", index + 1),
        };
        let format = column.format.as_deref().map(|format| format!(" {format}")).unwrap_or_default();
        format!("{place} {}{format} {}", column.kind.word(), column.role.word())
    };
    draft.columns().iter().map(column).collect()
}

/// The columns that the shipped dialects and the manuals have.
#[test]
fn the_columns_of_families_that_are_known_are_found() {
    for (path, expected) in [
        (
            "siemens-hipath4000/siemens-hicom-250.smdr",
            &[
                "1-8 date DD/MM/YY nothing",
                "11-18 time hh:mm:ss nothing",
                "21-28 duration hh:mm:ss talk",
                "29-34 station extension",
                "35-40 trunk trunk",
                "43-66 number other-party",
            ][..],
        ),
        (
            "siemens-hipath3000/siemens-hicom-118.smdr",
            &[
                "1-8 date DD.MM.YY nothing",
                "10-17 time hh:mm:ss nothing",
                "21-26 station extension",
                "28-32 duration mm:ss ring",
                "34-41 duration hh:mm:ss talk",
                "43-76 number other-party",
            ],
        ),
        (
            "panasonic-tes/panasonic-kx-tem824.smdr",
            &[
                "1-8 date MM/DD/YY nothing",
                "11-17 time hh:mmap nothing",
                "18-21 station extension",
                "22-25 trunk trunk",
                "65-73 duration h:mm'ss\" talk",
            ],
        ),
        (
            "panasonic-tes/panasonic-kx-ta616ru.smdr",
            &[
                "11-17 time hh:mmap nothing",
                "18-21 station extension",
                "22-25 trunk trunk",
                "65-73 duration h:mm'ss\" talk",
            ],
        ),
        (
            "panasonic-kx/panasonic-kx-td816ru.smdr",
            &[
                "1-8 date MM/DD/YY nothing",
                "10-16 time hh:mmap nothing",
                "17-22 station extension",
                "23-25 trunk trunk",
                "27-57 number other-party",
                "58-65 duration hh:mm'ss talk",
            ],
        ),
        (
            "lg-ipecs/lg-gdk-162.smdr",
            &[
                "1-4 call-id call-id",
                "5-9 station extension",
                "10-12 trunk trunk",
                "17-21 duration mm:ss talk",
                "23-30 date MM/DD/YY nothing",
                "32-36 time hh:mm nothing",
                "38-38 code nothing",
                "39-57 number other-party",
            ],
        ),
        (
            "samsung-officeserv/samsung-officeserv-7200.smdr",
            &[
                "4-7 station extension",
                "8-18 trunk trunk",
                "20-24 date MM/DD nothing",
                "26-33 time hh:mm:ss nothing",
                "35-42 duration hh:mm:ss talk",
                "44-45 code nothing",
                "83-122 cost nothing",
            ],
        ),
        (
            "alcatel-oxo/alcatel-4200.smdr",
            &[
                "1-11 station extension",
                "14-16 code nothing",
                "22-29 date DD/MM/YY nothing",
                "31-35 time hh:mm nothing",
                "37-44 duration hh:mm:ss talk",
                "61-106 number other-party",
            ],
        ),
        (
            "ericsson-bp/ericsson-bp-250.smdr",
            &["8-13 date DDMMYY nothing", "15-18 time hhmm nothing", "19-22 station extension", "66-66 code nothing"],
        ),
        (
            "siemens-hipath3000/siemens-hipath-3750.smdr",
            &[
                "1 date DD.MM.YY nothing",
                "2 time hh:mm:ss nothing",
                "3 trunk trunk",
                "4 station extension",
                "5 duration mm:ss ring",
                "6 duration hh:mm:ss talk",
                "7 number other-party",
            ],
        ),
        (
            "avaya-ipoffice/ipo500v2-2017.smdr",
            &["1 datetime YYYY/MM/DD hh:mm:ss nothing", "2 duration hh:mm:ss talk", "3 seconds ring", "5 code nothing"],
        ),
    ] {
        let told = told(&learn(capture(path)));
        for column in expected {
            assert!(told.contains(&(*column).to_owned()), "{path}: no {column} in\n{}", told.join("\n"));
        }
    }
}

/// Runs of digits that may be a number.
fn runs(text: &str) -> Vec<&str> {
    text.split(|c: char| !c.is_ascii_digit()).filter(|run| run.len() >= 5).collect()
}

/// Every question answered with its first answer: the file understands the lines, its examples hold, and nobody's
/// number is in it or on the terminal.
#[test]
fn what_is_proposed_makes_a_file_that_reads_its_lines() {
    for path in [
        "alcatel-oxo/alcatel-4200.smdr",
        "avaya-cm/definity.smdr",
        "ericsson-bp/ericsson-bp-250.smdr",
        "lg-ipecs/lg-gdk-162.smdr",
        "lg-ipecs/lg-ldk-300-with-cid.smdr",
        "panasonic-kx/panasonic-kx-tda100-a.smdr",
        "panasonic-tes/panasonic-kx-tem824.smdr",
        "samsung-officeserv/samsung-dcs.smdr",
        "siemens-hipath3000/siemens-hipath-3750.smdr",
        "siemens-hipath4000/siemens-hicom-250.smdr",
    ] {
        let lines = capture(path);
        let mut draft = learn(lines.clone());
        while let Some(question) = draft.questions().first() {
            let answer = question.answers.first().cloned().unwrap_or_else(|| "learnt".to_owned());
            draft.tell(&format!("{} {answer}", question.command)).unwrap();
        }
        let written = draft.write().unwrap_or_else(|what| panic!("{path}: {what}"));
        let check = &written.check;
        assert!(check.unread.len() * 20 <= check.records, "{path}: {check:?}");
        assert!(!written.example.is_empty(), "{path}");
        let all: Vec<String> = lines.iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect();
        let clocks: Vec<&Column> =
            draft.columns().iter().filter(|column| column.kind.is_clock() || column.kind == Kind::Duration).collect();
        let of_clocks: Vec<String> = lines
            .iter()
            .flat_map(|line| {
                clocks.iter().map(|c| String::from_utf8_lossy(cut::cell(line, draft.layout(), c.place)).into_owned())
            })
            .collect();
        let theirs: std::collections::BTreeSet<&str> = all.iter().flat_map(|line| runs(line)).collect();
        let shown = draft.shown(20).join("\n");
        for text in [&written.text, &shown] {
            for run in runs(text).into_iter().filter(|run| run.bytes().any(|byte| byte != b'0')) {
                let clock = of_clocks.iter().any(|clock| clock.contains(run));
                assert!(clock || !theirs.contains(run), "{path}: {run} is somebody's\n{text}");
            }
        }
    }
}

/// Calls of one station that follow each other, printed as they end.
fn calls(stamp: impl Fn(u32, u32) -> u32) -> Vec<Vec<u8>> {
    let clock = |second: u32| format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60);
    let mut ended: Vec<(u32, String)> = (0..60_u32)
        .map(|no| {
            let (start, length) = (30_000 + no * 100, 40 + no * 4 % 11 * 50);
            let day = format!("{}/11/2026", 20 + no / 30);
            let station = 200 + no * 5 % 7;
            let line = format!(
                "{day} {} {} {station} {:02} 01632960{:03}",
                clock(stamp(start, start + length)),
                clock(length),
                no * 3 % 5 + 1,
                no * 7 % 60
            );
            (start + length + no / 30 * 86_400, line)
        })
        .collect();
    ended.sort();
    ended.into_iter().map(|(_, line)| line.into_bytes()).collect()
}

#[test]
fn the_order_of_the_lines_proves_what_the_stamp_means() {
    let draft = learn(calls(|_, end| end));
    assert_eq!(draft.stamp().kind, Some(StampKind::End), "{:?}", draft.stamp());
    let draft = learn(calls(|start, _| start));
    let stamp = draft.stamp();
    assert_eq!((stamp.kind, stamp.starts), (None, true), "{stamp:?} {:?}", told(&draft));
    let question = draft.questions().into_iter().find(|question| question.command == "stamp").unwrap();
    assert_eq!(question.answers, ["arrival", "answer", "unknown"], "the end is ruled out");
}

#[test]
fn a_date_is_proven_by_days_that_no_month_has_or_else_asked_for() {
    let draft = learn(calls(|_, end| end));
    assert_eq!(told(&draft)[0], "1-10 date DD/MM/YYYY nothing");
    assert!(draft.columns()[0].evidence.iter().any(|said| said.contains("MM/DD/YYYY is ruled out by 60 of 60")));
    let ambiguous = |line: Vec<u8>| [b"03/04/2026", &line[10..]].concat();
    let draft = learn(calls(|_, end| end).into_iter().map(ambiguous).collect());
    let question = draft.questions().remove(0);
    assert_eq!((question.command.as_str(), question.answers.len()), ("1 format", 2), "{question:?}");
    // Heard on the very day, only one of the two is possible.
    let draft = Draft::new(calls(|_, end| end).into_iter().map(ambiguous).collect(), date(2026, 4, 3)).unwrap();
    assert_eq!((draft.columns()[0].sure, told(&draft)[0].as_str()), (Sure::Likely, "1-10 date DD/MM/YYYY nothing"));
}

#[test]
fn commands_change_what_they_say_and_refuse_what_the_lines_deny() {
    let mut draft = learn(calls(|_, end| end));
    for wrong in
        ["1 format YYMMDD", "99 drop", "4 type stationary", "frob", "id Two Words", "name 01632960001", "zone Mars"]
    {
        let before = told(&draft);
        assert!(draft.tell(wrong).is_err(), "{wrong}");
        assert_eq!(told(&draft), before, "{wrong}");
    }
    draft.tell("4 is trunk").unwrap();
    assert_eq!(draft.columns()[4].role, Role::Nothing, "the column that was the trunk is it no more");
    draft.tell("cannot transfer -ring").unwrap();
    assert!(write::cannot(&draft).contains(&"transfer") && !write::cannot(&draft).contains(&"ring"));
}

#[test]
fn what_shares_no_layout_is_said_to_share_none() {
    let few = Draft::new(vec![b"one 1".to_vec()], date(2026, 11, 21)).unwrap_err();
    assert_eq!(few, NotLearnt::TooFew(1));
    let prose = ["the quick", "brown 7 fox jumped", "over", "12 lazy", "dogs and then some 3 more", "x"];
    let prose = prose.iter().map(|line| line.as_bytes().to_vec()).collect();
    assert_eq!(Draft::new(prose, date(2026, 11, 21)).unwrap_err(), NotLearnt::NoLayout(6));
}
