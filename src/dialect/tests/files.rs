//! What is wrong with a file, and what is said of it.

use super::super::library::{Dialect, Library};
use super::dialect;
use super::values::CLOCKS;

#[test]
fn faults_of_a_file_name_line_key_reason_and_remedy() {
    let head = "id = \"test\"\nname = \"T\"\ndoc = \"D\"\nlink = { by = \"nothing\" }\n";
    for (body, line, words) in [
        ("colour = 1\n", 5, "unknown field"),
        ("cannot = [\"fly\"]\n[[line]]\nkind = \"a\"\nis = \"record\"\n", 5, "unanswered"),
        ("[[line]]\nkind = \"a\"\nis = \"header\"\n", 5, "is = \"record\""),
        ("[[line]]\nkind = \"a\"\nis = \"record\"\nwhen = { pattern = '(' }\n", 8, "pattern"),
        ("[[line]]\nkind = \"a\"\nis = \"record\"\n[line.fields]\nx = { at = [0, 3] }\n", 9, "columns count from 1"),
        ("[[line]]\nkind = \"a\"\nis = \"record\"\n[line.fields]\nx = { at = [1, 3], type = \"date\" }\n", 9, "format"),
        (
            "[record]\ncli = \"x\"\n[[line]]\nkind = \"a\"\nis = \"record\"\n[line.fields]\nx = { at = [1, 3], type = \"trunk\" }\n",
            6,
            "cannot go there",
        ),
        (
            "[[line]]\nkind = \"a\"\nis = \"record\"\n[line.fields]\nx = { at = [1, 9], type = \"number\" }\n[[facts]]\nname = \"f\"\nrows = [{ when = { x = { prefix = \"07\" } } }]\n",
            12,
            "blank, zero or digits",
        ),
    ] {
        let faults = Dialect::read("site.toml", &format!("{head}{body}")).expect_err(body);
        let fault = &faults[0];
        assert_eq!(fault.line, line, "{fault}");
        assert!(fault.to_string().contains(words), "{fault}");
        assert!(fault.to_string().starts_with("site.toml:") && !fault.remedy.is_empty(), "{fault}");
    }
}

#[test]
fn an_example_that_does_not_hold_is_a_fault_and_so_is_a_rule_that_reads_a_number() {
    let example = |records: &str| {
        format!(
            r#"
            record = {{ cli = "number" }}
            [[line]]
            kind = "a"
            is = "record"
            pattern = '^(?P<number>\d+)$'
            fields = {{ number = {{ capture = "number", type = "number" }} }}
            [[line]]
            kind = "b"
            is = "record"
            [[example]]
            name = "one"
            lines = "0163296"
            records = [{records}]
            "#
        )
    };
    assert_eq!(dialect(&example(r#"{ cli = "0163296" }"#)).check_examples(), []);
    let wrong = dialect(&example(r#"{ cli = "55" }"#)).check_examples();
    assert!(wrong[0].to_string().contains("cli is \"0163296\", the example says \"55\""), "{wrong:?}");
    let peeking = example(r#"{ cli = "0163296" }"#).replace(r"(?P<number>\d+)", r"(?P<number>01\d+)");
    let faults = dialect(&peeking).check_examples();
    assert!(faults[0].to_string().contains("masked"), "{faults:?}");
}

#[test]
fn a_site_directory_adds_and_replaces() {
    let dir = std::env::temp_dir().join(format!("smdrd-dialects-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let text = include_str!("../../../config/dialects/mitel-5000.toml");
    std::fs::write(dir.join("a.toml"), text.replace("Inter-Tel Axxess", "Our Axxess")).unwrap();
    std::fs::write(dir.join("b.toml"), text.replace("id = \"mitel-5000\"", "id = \"ours\"")).unwrap();
    let library = Library::with_site_dir(&dir).unwrap();
    assert!(library.get("mitel-5000").unwrap().name.starts_with("Our"));
    assert!(library.get("ours").unwrap().from_site && !library.get("nortel-bcm").unwrap().from_site);
    std::fs::write(dir.join("c.toml"), "id = 1").unwrap();
    let error = Library::with_site_dir(&dir).unwrap_err().to_string();
    assert!(error.contains("c.toml:1"), "{error}");
    std::fs::remove_dir_all(&dir).unwrap();
    assert!(Library::with_site_dir(&dir).is_ok(), "a directory that is not there holds none");
}

#[test]
fn the_file_that_the_documentation_shows_is_sound() {
    let doc = include_str!("../../../docs/dialects.md");
    let text = doc.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let dialect = Dialect::read("docs/dialects.md", text).unwrap();
    assert_eq!((dialect.examples(), dialect.check_examples()), (1, Vec::new()));
}

#[test]
fn what_is_wrong_with_words_zones_and_differences_is_said() {
    for (from, to, says) in [
        ("words = true", "words = true\n values = [\"a\"]\n default = \"a\"", "it has values, too"),
        ("words = true", "values = [\"a\"]\n default = \"a\"", "no option of this name takes words"),
        ("\"UTC\"", "\"Europe/Nowhere\"", "there is no such zone"),
        ("between = [\"from\", \"answer\"]", "between = [\"from\", \"device\"]", "device is no date or time"),
        (
            "between = [\"answer\", \"to\"], type = \"seconds\"",
            "between = [\"answer\", \"to\"], type = \"duration\", format = \"s\"",
            "of type seconds",
        ),
    ] {
        let head = "id = \"test\"\nname = \"Test\"\ndoc = \"For a test.\"\nlink = { by = \"nothing\" }\n";
        let faults = Dialect::read("test.toml", &format!("{head}{}", CLOCKS.replace(from, to))).unwrap_err();
        assert!(faults.iter().any(|fault| fault.reason.contains(says)), "{says}: {faults:?}");
    }
}
