//! Lists and maps that are refused, with the line.

use super::desk::Desk;

fn desk() -> Desk {
    Desk::new(&[("1", "A81001", "main")])
}

#[test]
fn a_participation_list_that_is_odd_is_refused_with_its_line() {
    for (text, expected) in [
        ("", "participation.csv: line 1: the file is empty"),
        ("ODS_Code\n", "participation.csv: there is no row below the header"),
        ("Practice\nA81001\n", "line 1: there is no column \"ODS_Code\"; it has \"Practice\""),
        ("ods_code\nA81001\n", "there is no column \"ODS_Code\""),
        ("ODS_Code,ODS_Code\nA81001,A81001\n", "line 1: the column \"ODS_Code\" is there twice"),
        ("ODS_Code\nA81001\nA8100\n", "line 3: ODS_Code \"A8100\" is no ODS code"),
        ("ODS_Code\nA81001\n00L\n", "line 3: ODS_Code \"00L\" is no ODS code"),
        ("ODS_Code,Agreed\nA81001,yes\n,yes\n", "line 3: ODS_Code is empty"),
        ("ODS_Code\nA81001;A81002\n", "line 2: ODS_Code \"A81001;A81002\" is no ODS code"),
        ("ODS_Code,Agreed\nA81001,yes\nA81002\n", "line 3: it has 1 fields, the header 2"),
        ("ODS_Code\n\"A81001\nA81002\n", "line 2: ODS_Code \"A81001"),
    ] {
        let desk = desk();
        desk.write("participation.csv", text);
        let said = desk.refused();
        assert!(said.contains(expected), "{text:?}: {said}");
    }
    let desk = desk();
    std::fs::write(desk.path("participation.csv"), b"ODS_Code\nA81001\n\xa381002\n").unwrap();
    assert!(desk.refused().contains("line 3: it is not UTF-8"));
}

#[test]
fn an_account_map_that_is_odd_is_refused_with_its_line() {
    for (text, expected) in [
        ("Account_Number,ODS_Code,Site\n", "accounts.csv: there is no row below the header"),
        ("Account,ODS_Code,Site\n1,A81001,main\n", "line 1: there is no column \"Account_Number\""),
        ("Account_Number,ODS_Code,Site,Note\n1,A81001,main,x\n", "line 1: the column \"Note\" means nothing here"),
        ("Account_Number,ODS_Code,Site\n,A81001,main\n", "line 2: Account_Number is empty"),
        ("Account_Number,ODS_Code,Site\n1,A81O01,main\n", "line 2: ODS_Code \"A81O01\" is no ODS code"),
        (
            "Account_Number,ODS_Code,Site\n1,A81001,main\n2,a81001,main\n",
            "line 3: site main of A81001 stands under account 1 on line 2 already",
        ),
        (
            "Account_Number,ODS_Code,Site\n1,A81001,main\n1,A81001,main\n",
            "line 3: site main of A81001 stands under account 1 on line 2 already",
        ),
        ("Account_Number,ODS_Code,Site\n1,A81001,\n", "line 2: Site is empty"),
        ("Account_Number,ODS_Code,Site\n1,A81001,front desk\n", "line 2: Site \"front desk\" is not"),
    ] {
        let desk = desk();
        desk.write("accounts.csv", text);
        let said = desk.refused();
        assert!(said.contains(expected), "{text:?}: {said}");
    }
}

#[test]
fn acceptances_that_are_odd_are_refused_with_their_line() {
    for (text, expected) in [
        ("Account_Number,Reason\n1,why\n", "line 1: there is no column \"Month\""),
        ("Account_Number,Month,Reason\n1,2026-10,\n", "line 2: Reason is empty"),
        ("Account_Number,Month,Reason\n1,October,why\n", "line 2: \"October\" is no month"),
        ("Account_Number,Month,Reason\n01,2026-10,why\n", "line 2: Account_Number \"01\" is not in the account map"),
        ("Account_Number,Month,Reason\n1,2026-10,why\n1,2026-10,again\n", "line 3: account 1 is accepted twice"),
    ] {
        let desk = desk();
        desk.write("accept.csv", text);
        desk.configure("\n[accepted]\nfile = \"accept.csv\"\n");
        let said = desk.refused();
        assert!(said.contains("accept.csv") && said.contains(expected), "{text:?}: {said}");
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
