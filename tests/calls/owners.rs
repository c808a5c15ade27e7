//! Whose a call is, what a number is on each PBX, and what becomes of a call that goes over a tie line.

use smdrd::call::Owner;
use smdrd::dialect::LinkKey;

use super::notation::{ROLES, by, calls_at, hold, site};

#[test]
fn whose_call_it_is_is_said_by_ddi_then_group_then_line_and_by_the_first_leg_that_says_it() {
    let shares = r#"
[[practice]]
ods = "A81001"
ddis = ["101"]
groups = ["201"]
trunks = ["1"]
[[practice]]
ods = "A81002"
ddis = ["102"]
groups = ["202"]
trunks = ["2"]
[[other-tenant]]
name = "pharmacy"
ddis = ["103"]
groups = ["203"]
trunks = ["3"]
"#;
    for (legs, owner) in [
        (&["08:00:00 in #1 d101 x202 l3"][..], "A81001"),
        (&["08:00:00 in #1 d102 x201 l1"], "A81002"),
        (&["08:00:00 in #1 d103 x201 l1"], "pharmacy"),
        (&["08:00:00 in #1 d199 x202 l1"], "A81002"),
        (&["08:00:00 in #1 x203 l1"], "pharmacy"),
        (&["08:00:00 in #1 x299 l2"], "A81002"),
        (&["08:00:00 in #1 x299 l9"], "nobody"),
        (&["08:00:00 in #1 x202 l9 more", "08:00:00 in #1 x201 l9 last"], "A81002"),
        (&["08:00:00 in #1 x203 l9 more", "08:00:00 in #1 x201 l9 last"], "pharmacy"),
        (&["08:00:00 in #1 x203 l9 more", "08:00:00 in #1 d101 x201 l9 last"], "A81001"),
        (&["08:00:00 out #1 x202 l9"], "A81002"),
    ] {
        let calls = calls_at(site(shares), &by(LinkKey::CallId), legs);
        let found = match &calls[0].owner {
            Owner::Practice { ods, .. } => ods.to_string(),
            Owner::Tenant(name) => name.to_string(),
            Owner::Nobody => "nobody".to_owned(),
        };
        assert_eq!((found.as_str(), calls.len()), (owner, 1), "{legs:?}");
    }
    let alone = calls_at(site(""), &by(LinkKey::CallId), &["08:00:00 in #1 x299 l9"]);
    assert!(matches!(&alone[0].owner, Owner::Practice { ods, .. } if ods == "A81001"), "a single practice owns all");
}

fn owner_of(shares: &str, leg: &str) -> String {
    let sources = "[[source]]\nname = \"one\"\ndialect = \"x\"\n[[source]]\nname = \"two\"\ndialect = \"x\"\n";
    let calls = calls_at(site(&format!("{sources}{shares}")), &by(LinkKey::CallId), &[leg]);
    match &calls[0].owner {
        Owner::Practice { ods, site } => format!("{ods}/{site}"),
        Owner::Tenant(name) => name.to_string(),
        Owner::Nobody => "nobody".to_owned(),
    }
}

#[test]
fn what_nobody_lists_is_for_who_says_so_and_for_nobody_otherwise() {
    let shares = |more: &str| {
        format!(
            "[[practice]]\nods = \"A81001\"\nddis = [\"101\"]\n[[practice]]\nods = \"A81002\"\nddis = [\"102\"]\n{more}"
        )
    };
    for (more, leg, owner) in [
        ("", "08:00:00 in d101 x1 l1", "A81001/main"),
        ("", "08:00:00 in d199 x1 l1", "nobody"),
        ("unmatched = true", "08:00:00 in d199 x1 l1", "A81002/main"),
        ("unmatched = true", "08:00:00 in d101 x1 l1", "A81001/main"),
        ("[[other-tenant]]\nname = \"landlord\"\nunmatched = true", "08:00:00 in d199 x1 l1", "landlord"),
        ("[[other-tenant]]\nname = \"landlord\"\nunmatched = true", "08:00:00 in d102 x1 l1", "A81002/main"),
    ] {
        assert_eq!(owner_of(&shares(more), leg), owner, "{more:?} {leg}");
    }
}

#[test]
fn a_pbx_of_its_own_is_a_sites_own() {
    let sites = r#"
[[practice]]
ods = "A81001"
sources = ["one"]
[[practice]]
ods = "A81001"
site = "branch"
sources = ["two"]
"#;
    assert_eq!(owner_of(sites, "08:00:00 in s1 x1 l1"), "A81001/main");
    assert_eq!(owner_of(sites, "08:00:00 in s2 x1 l1"), "A81001/branch");
    // Lists that are limited to a source say nothing of another, where the same number is somebody else's.
    let lists = r#"
[[practice]]
ods = "A81001"
sources = ["one"]
trunks = ["1"]
[[practice]]
ods = "A81002"
sources = ["two"]
trunks = ["1"]
[[practice]]
ods = "A81003"
groups = ["300"]
"#;
    for (leg, owner) in [
        ("08:00:00 in s1 x1 l1", "A81001/main"),
        ("08:00:00 in s2 x1 l1", "A81002/main"),
        ("08:00:00 in s2 x300 l1", "A81003/main"),
        ("08:00:00 in s1 x300 l9", "A81003/main"),
        ("08:00:00 in s1 x1 l9", "nobody"),
    ] {
        assert_eq!(owner_of(lists, leg), owner, "{leg}");
    }
}

#[test]
fn a_number_that_two_pbxs_use_for_two_things_has_a_role_on_each() {
    let roles = r#"
[[source]]
name = "one"
dialect = "x"
[[source]]
name = "two"
dialect = "x"
[source.roles.stations]
"300" = "fax"
[source.roles.trunks]
"9" = "tie"
[roles.stations]
"300" = "voicemail"
"#;
    hold(
        &by(LinkKey::CallId),
        roles,
        &[
            ("said of all", &["08:00:00 in s1 l1 + r5 t9 x300"], &["inbound reached-voicemail w5"]),
            ("said of the one goes before", &["08:00:00 in s2 l1 + r5 t9 x300"], &["inbound reached-a-machine"]),
            ("a tie there", &["08:00:00 in s2 l9 + r5 t9 x201"], &["tie"]),
            ("is an exchange line here", &["08:00:00 in s1 l9 + r5 t9 x201"], &["inbound answered-by-staff w5 t9"]),
        ],
    );
}

#[test]
fn a_call_passed_on_over_a_tie_line_is_judged_by_what_that_line_shows() {
    hold(
        &by(LinkKey::CallId),
        ROLES,
        &[
            ("answered there", &["08:00:00 tan l1 o80 + r5 t9"], &["inbound answered-over-tie w5 t9"]),
            ("talked there", &["08:00:00 tan l1 o80 r5 t9"], &["inbound answered-over-tie w5 t9"]),
            ("not answered there", &["08:00:00 tan l1 o80 - r5"], &["inbound nobody-answered w5"]),
            ("nothing shown", &["08:00:00 tan l1 o80"], &["inbound no-answer-shown"]),
            ("sent outside", &["08:00:00 tan l1 o2 + r5 t9"], &["inbound diverted-outside"]),
            ("it came from there", &["08:00:00 tan l80 o1 + r5 t9"], &["tie"]),
            (
                "both ends of it are one call",
                &["08:00:00 tan l1 o80 + r5 t9 #1", "08:00:00 in s2 l80 + r5 t9 x201 #1"],
                &["inbound answered-over-tie w5 t9", "tie"],
            ),
        ],
    );
}

#[test]
fn a_call_passed_on_to_the_practices_own_mobiles_is_answered_or_missed_like_any_other_where_the_site_says_so() {
    let staff = format!("[roles]\ndiverted-outside = \"staff\"\n{ROLES}");
    hold(
        &by(LinkKey::CallId),
        &staff,
        &[
            ("answered there", &["08:00:00 tan l1 o2 + r5 t9"], &["inbound answered-outside w5 t9"]),
            ("talked there", &["08:00:00 tan l1 o2 r5 t9"], &["inbound answered-outside w5 t9"]),
            ("not answered there", &["08:00:00 tan l1 o2 - r25"], &["inbound nobody-answered w25"]),
            ("nothing shown", &["08:00:00 tan l1 o2"], &["inbound no-answer-shown"]),
            (
                "after the menu, whose time is no waiting",
                &["08:00:00 in #1 l1 + r1 t20 more pV9501", "08:00:00 tan #1 l1 o2 + r9 t60 last"],
                &["inbound answered-outside w9 t60 2 legs"],
            ),
            ("a tie is a tie", &["08:00:00 tan l1 o80 + r5 t9"], &["inbound answered-over-tie w5 t9"]),
        ],
    );
    // Said of one PBX it is true of that one.
    let one = r#"
[[source]]
name = "one"
dialect = "x"
[[source]]
name = "two"
dialect = "x"
[source.roles]
diverted-outside = "staff"
"#;
    hold(
        &by(LinkKey::CallId),
        one,
        &[
            ("here", &["08:00:00 tan s2 l1 o2 + r5 t9"], &["inbound answered-outside w5 t9"]),
            ("not there", &["08:00:00 tan s1 l1 o2 + r5 t9"], &["inbound diverted-outside"]),
        ],
    );
}
