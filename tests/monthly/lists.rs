//! Lists and maps that are refused, with the line.

use super::desk::Desk;

fn desk() -> Desk {
    Desk::new(&[("1", "A81001", "main")])
}

/// Each text of a file is refused, with its name and the line in what is said, and in a few words.
#[track_caller]
fn refused(name: &str, configure: &str, table: &[(&[u8], &str)]) {
    for (text, expected) in table {
        let desk = desk();
        std::fs::write(desk.path(name), text).unwrap();
        if !configure.is_empty() {
            desk.configure(configure);
        }
        let said = desk.refused();
        let shown = String::from_utf8_lossy(&text[..text.len().min(200)]);
        assert!(said.contains(name) && said.contains(expected), "{shown:?}: {said}");
        assert!(said.len() < 600, "{shown:?}: {said}");
        assert!(!said.trim_end().contains(|letter: char| letter.is_control()), "{shown:?}: {said:?}");
    }
}

const LONG: usize = 100_000;

#[test]
fn a_participation_list_that_is_odd_is_refused_with_its_line() {
    let long = format!("ODS_Code\n{}\n", "A".repeat(LONG));
    let many = format!("ODS_Code\n{}A8100\n", (0..10_000).map(|n| format!("A{n:05}\n")).collect::<String>());
    let utf_16: Vec<u8> = "\u{feff}ODS_Code\nA81001\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let unmarked: Vec<u8> = "ODS_Code\nA81001\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    refused(
        "participation.csv",
        "",
        &[
            (b"", "line 1: the file is empty"),
            (b"\n\n", "line 1: the file is empty"),
            (b"\xef\xbb\xbf", "line 1: the file is empty"),
            (b"ODS_Code\n", "there is no row below the header"),
            (b"ODS_Code\n\n\n", "there is no row below the header"),
            // The header.
            (b"A81001\nA81002\n", "line 1: there is no column \"ODS_Code\"; it has \"A81001\""),
            (b"Practice\nA81001\n", "line 1: there is no column \"ODS_Code\"; it has \"Practice\""),
            (b"ods_code\nA81001\n", "it has \"ods_code\"; case and blanks count"),
            (b" ODS_Code\nA81001\n", "it has \" ODS_Code\"; case and blanks count"),
            (b"ODS_Code,ODS_Code\nA81001,A81001\n", "line 1: the column \"ODS_Code\" is there twice"),
            (b"ODS_Code;Agreed\nA81001;yes\n", "it has \"ODS_Code;Agreed\"; fields are to have commas between them"),
            (b"ODS_Code\tAgreed\nA81001\tyes\n", "fields are to have commas between them"),
            (b"ODS_Code|Agreed\nA81001|yes\n", "fields are to have commas between them"),
            (&utf_16, "line 1: it is not UTF-8; save the table as \"CSV UTF-8\""),
            (&unmarked, "line 1: there is no column \"ODS_Code\""),
            // The code.
            (b"ODS_Code\nA81001\nA8100\n", "line 3: ODS_Code \"A8100\" is no ODS code"),
            (b"ODS_Code\nA81001\nA810022\n", "line 3: ODS_Code \"A810022\" is no ODS code"),
            (b"ODS_Code\nA81001\n00L\n", "line 3: ODS_Code \"00L\" is no ODS code"),
            (b"ODS_Code\nA81001\n181002\n", "line 3: ODS_Code \"181002\" is no ODS code"),
            (b"ODS_Code\nA81001\nA81O02\n", "line 3: ODS_Code \"A81O02\" is no ODS code"),
            (b"ODS_Code\nA81001\nA81 02\n", "line 3: ODS_Code \"A81 02\" is no ODS code"),
            (b"ODS_Code\nA81001\nA81-02\n", "line 3: ODS_Code \"A81-02\" is no ODS code"),
            (b"ODS_Code\nA81001\nA81002.0\n", "line 3: ODS_Code \"A81002.0\" is no ODS code"),
            (b"ODS_Code\nA81001;A81002\n", "line 2: ODS_Code \"A81001;A81002\" is no ODS code"),
            ("ODS_Code\nA81001\n\u{c4}81002\n".as_bytes(), "line 3: ODS_Code \"\u{c4}81002\" is no ODS code"),
            ("ODS_Code\nA81001\nA8100\u{ff12}\n".as_bytes(), "line 3: ODS_Code \"A8100\u{ff12}\" is no ODS code"),
            ("ODS_Code\nA81001\nA81002\u{200b}\n".as_bytes(), "line 3: ODS_Code \"A81002"),
            (b"ODS_Code\nA81001\nA81\x0002\n", "line 3: ODS_Code \"A81\u{fffd}02\" has a control character"),
            (b"ODS_Code,Agreed\nA81001,yes\n,yes\n", "line 3: ODS_Code is empty"),
            (b"ODS_Code,Agreed\nA81001,yes\n  ,yes\n", "line 3: ODS_Code is empty"),
            (b"ODS_Code,Agreed\nA81001,yes\n,\n", "line 3: ODS_Code is empty"),
            (b"ODS_Code\nA81001\n   \nA81002\n", "line 3: ODS_Code is empty"),
            (long.as_bytes(), "line 2: ODS_Code \"AAAA"),
            (many.as_bytes(), "line 10002: ODS_Code \"A8100\" is no ODS code"),
            // The same one twice: of two rows one may say otherwise.
            (b"ODS_Code\nA81001\nA81002\nA81001\n", "line 4: ODS_Code \"A81001\" stands on line 2 already"),
            (b"ODS_Code,Agreed\nA81001,yes\n a81001 ,no\n", "line 3: ODS_Code \"A81001\" stands on line 2 already"),
            // The shape of rows.
            (b"ODS_Code,Agreed\nA81001,yes\nA81002\n", "line 3: it has 1 fields, the header 2"),
            (b"ODS_Code,Agreed\nA81001,yes\nA81002,yes,\n", "line 3: it has 3 fields, the header 2"),
            (b"ODS_Code\nA81001,\n", "line 2: it has 2 fields, the header 1"),
            (
                b"ODS_Code,Agreed\nA81001,yes, they do\n",
                "line 2: it has 3 fields, the header 2; is a comma missing a quote?",
            ),
            (b"ODS_Code\n\"A81001\nA81002\n", "line 2: a field of it has a line end in it; is a quote left open?"),
            (b"ODS_Code,Agreed\nA81001,\"yes\nA81002,yes\n", "line 2: a field of it has a line end in it"),
            (b"ODS_Code,Agreed\nA81001,\"yes\nA81002,\"yes\n", "line 2: a field of it has a line end in it"),
            (b"ODS_Code\nA81001\"\n", "line 2: ODS_Code \"A81001\\\"\" is no ODS code"),
            // Lines are those of an editor, whatever ends them.
            (b"ODS_Code\r\nA81001\r\n\r\nA8100\r\n", "line 4: ODS_Code \"A8100\" is no ODS code"),
            (b"ODS_Code\rA81001\rA8100\r", "line 3: ODS_Code \"A8100\" is no ODS code"),
            (b"ODS_Code\nA81001\n\xa381002\n", "line 3: it is not UTF-8"),
            (b"ODS_Code,Name\nA81001,caf\xe9\n", "line 2: it is not UTF-8"),
        ],
    );
}

#[test]
fn a_participation_list_as_spreadsheets_write_it_is_read() {
    for text in [
        "\u{feff}\"ODS_Code\",\"Agreed\"\r\n\" a81001 \",\"yes, they do\"\r\n",
        "Name,ODS_Code,\nSurgery,A81001,\n",
        "ODS_Code\rA81001\r",
        "ODS_Code\n\n\nA81001",
        "ODS_Code\n\u{a0}A81001\t\n",
    ] {
        let desk = desk();
        desk.hold_month("A81001", "main");
        desk.write("participation.csv", text);
        let (code, built) = desk.built(&[]);
        assert_eq!(code, 0, "{text:?}: {built:#}");
    }
}

#[test]
fn an_account_map_that_is_odd_is_refused_with_its_line() {
    let head = "Account_Number,ODS_Code,Site\n";
    let rows = |rows: &str| format!("{head}{rows}").into_bytes();
    let long = rows(&format!("1,A81001,{}\n", "m".repeat(LONG)));
    let table = [
        (b"".to_vec(), "line 1: the file is empty"),
        (rows(""), "there is no row below the header"),
        (b"1,A81001,main\n".to_vec(), "line 1: there is no column \"Account_Number\""),
        (b"Account,ODS_Code,Site\n1,A81001,main\n".to_vec(), "line 1: there is no column \"Account_Number\""),
        (b"Account_Number,Site\n1,main\n".to_vec(), "line 1: there is no column \"ODS_Code\""),
        (b"account_number,ODS_Code\n1,A81001\n".to_vec(), "case and blanks count"),
        (b"Account_Number;ODS_Code;Site\n1;A81001;main\n".to_vec(), "fields are to have commas between them"),
        (
            b"Account_Number,ODS_Code,Site,Note\n1,A81001,main,x\n".to_vec(),
            "line 1: the column \"Note\" means nothing here",
        ),
        (b"Account_Number,ODS_Code,Site,\n1,A81001,main,\n".to_vec(), "line 1: the column \"\" means nothing here"),
        (b"Account_Number,ODS_Code,site\n1,A81001,main\n".to_vec(), "line 1: the column \"site\" means nothing here"),
        (
            b"Account_Number,ODS_Code,Site,Site\n1,A81001,main,b\n".to_vec(),
            "line 1: the column \"Site\" is there twice",
        ),
        (rows(",A81001,main\n"), "line 2: Account_Number is empty"),
        (rows("\" \",A81001,main\n"), "line 2: Account_Number is empty"),
        (rows("1\0,A81001,main\n"), "line 2: Account_Number \"1\u{fffd}\" has a control character"),
        (rows("1,,main\n"), "line 2: ODS_Code is empty"),
        (rows("1,A81O01,main\n"), "line 2: ODS_Code \"A81O01\" is no ODS code"),
        (rows("1,A81001 A81002,main\n"), "line 2: ODS_Code \"A81001 A81002\" is no ODS code"),
        (
            rows("1,A81001,main\n2,a81001,main\n"),
            "line 3: site main of A81001 stands under account 1 on line 2 already",
        ),
        (
            rows("1,A81001,main\n1,A81001,main\n"),
            "line 3: site main of A81001 stands under account 1 on line 2 already",
        ),
        (
            b"Account_Number,ODS_Code\n1,A81001\n2,A81001\n".to_vec(),
            "line 3: site main of A81001 stands under account 1 on line 2 already",
        ),
        (rows("1,A81001,\n"), "line 2: Site is empty"),
        (rows("1,A81001,front desk\n"), "line 2: Site \"front desk\" is not"),
        (rows("1,A81001,../main\n"), "line 2: Site \"../main\" is not"),
        (rows("1,A81001,caf\u{e9}\n"), "line 2: Site \"caf\u{e9}\" is not"),
        (long, "line 2: Site \"mmmm"),
        (
            rows(&format!("{0},A81001,main\n{0},A81001,main\n", "9".repeat(LONG))),
            "line 3: site main of A81001 stands under",
        ),
        (rows("1,A81001\n"), "line 2: it has 2 fields, the header 3"),
        (rows("1,A81001,main,\n"), "line 2: it has 4 fields, the header 3"),
        (rows("Smith, Jones,A81001,main\n"), "line 2: it has 4 fields, the header 3; is a comma missing a quote?"),
        (rows("1,A81001,\"main\n2,A81002,main\n"), "line 2: a field of it has a line end in it"),
        ([head.as_bytes(), b"1,A81001,main\n\xa3,A81002,main\n"].concat(), "line 3: it is not UTF-8"),
    ];
    let table: Vec<(&[u8], &str)> = table.iter().map(|(text, expected)| (text.as_slice(), *expected)).collect();
    refused("accounts.csv", "", &table);
}

#[test]
fn acceptances_that_are_odd_are_refused_with_their_line() {
    let rows = |rows: &str| format!("Account_Number,Month,Reason\n{rows}").into_bytes();
    let table = [
        (b"".to_vec(), "line 1: the file is empty"),
        (b"1,2026-10,why\n".to_vec(), "line 1: there is no column \"Account_Number\""),
        (b"Account_Number,Reason\n1,why\n".to_vec(), "line 1: there is no column \"Month\""),
        (b"Account_Number,Month\n1,2026-10\n".to_vec(), "line 1: there is no column \"Reason\""),
        (
            b"Account_Number,Month,Reason,By\n1,2026-10,why,me\n".to_vec(),
            "line 1: the column \"By\" means nothing here",
        ),
        (rows("1,2026-10,\n"), "line 2: Reason is empty"),
        (rows("1,2026-10,\"  \"\n"), "line 2: Reason is empty"),
        (rows("1,2026-10,wh\x07y\n"), "line 2: Reason \"wh\u{fffd}y\" has a control character"),
        (rows(",2026-10,why\n"), "line 2: Account_Number is empty"),
        (rows("1,,why\n"), "line 2: Month is empty"),
        (rows("1,October,why\n"), "line 2: \"October\" is no month"),
        (rows("1,2026-13,why\n"), "line 2: \"2026-13\" is no month"),
        (rows("1,10/2026,why\n"), "line 2: \"10/2026\" is no month"),
        (rows(&format!("1,{},why\n", "2".repeat(LONG))), "line 2: \"2222"),
        (rows(&format!("{},2026-10,why\n", "2".repeat(LONG))), "line 2: Account_Number \"2222"),
        (rows("1,2026-10-01,why\n"), "line 2: \"2026-10-01\" is no month"),
        (rows("01,2026-10,why\n"), "line 2: Account_Number \"01\" is not in the account map"),
        (rows("*,2026-10,why\n"), "line 2: Account_Number \"*\" is not in the account map"),
        (rows("1,2026-10,why\n1,2026-10,again\n"), "line 3: account 1 is accepted twice"),
        (rows("1,2026-09,why\n1,2026-10,why\n1,2026-10,why\n"), "line 4: account 1 is accepted twice"),
        (rows("1,2026-10,dug up, by BT\n"), "line 2: it has 4 fields, the header 3; is a comma missing a quote?"),
        (rows("1,2026-10,\"dug up\n"), "line 2: a field of it has a line end in it"),
    ];
    let table: Vec<(&[u8], &str)> = table.iter().map(|(text, expected)| (text.as_slice(), *expected)).collect();
    refused("accept.csv", "\n[accepted]\nfile = \"accept.csv\"\n", &table);
}

#[test]
fn an_operators_file_that_is_odd_is_refused() {
    let good = desk().read("feed.toml");
    for (from, to, expected) in [
        ("supplier-name = \"Example, Telephony Ltd\"\n", "", "supplier-name"),
        ("Example, Telephony Ltd", "", "supplier-name \"\": is empty"),
        ("Example, Telephony Ltd", " Example", "has blanks around it"),
        ("Example, Telephony Ltd", "Exam\\u0000ple", "control characters"),
        ("column = \"ODS_Code\"\n", "", "column"),
        ("[accounts]", "[account]", "unknown field `account`"),
        ("file = \"accounts.csv\"", "file = 1", "line 8"),
        ("file = \"accounts.csv\"", "file = \"none.csv\"", "none.csv: No such file"),
        ("template = \"template.toml\"", "template = \"none.toml\"", "none.toml: No such file"),
        ("date = \"2026-09-30\"", "date = \"last week\"", "date"),
        ("reference = \"a letter of a test\"", "reference = \" \"", "legacy-pbx-smdr.reference"),
        ("name = \"A Tester\"", "", "name"),
        ("name = \"A Tester\"", "name = \"A Tester\"\nname = \"Another\"", "line"),
    ] {
        assert!(good.contains(from), "{from}");
        let desk = desk();
        desk.write("feed.toml", &good.replacen(from, to, 1));
        let said = desk.refused();
        assert!(said.contains(expected), "{from} as {to}: {said}");
    }
}

#[test]
fn a_month_that_is_not_over_and_files_that_are_not_there_are_refused() {
    let desk = desk();
    let clock = format!("2026-10-31T23:00:00Z@{}@1", jiff::Timestamp::now());
    let arguments =
        ["--month", "2026-10", "--store", "feed.db", "--config", "feed.toml", "--out", "out", "--clock", &clock];
    let output = desk.run(&[&["build"], &arguments[..]].concat());
    assert_eq!(output.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&output.stderr).contains("2026-10 is not over"));
    std::fs::remove_file(desk.path("participation.csv")).unwrap();
    assert!(desk.refused().contains("participation.csv: No such file"));
    desk.write("feed.toml", "supplier-name = \"x\"\nsuplier = 1\n");
    let said = desk.refused();
    assert!(said.contains("feed.toml") && said.contains("line 2"), "{said}");
}
