//! The site guides: `docs/pbx` is what `smdrd dialects guide` prints, whole, and what is pasted from it is accepted.
//! `UPDATE=1` (`make guides`) writes the pages again.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::Value;
use smdrd::dialect::Library;

/// The sections that a person writes, in the order of the page.
const SECTIONS: [&str; 7] =
    ["Switch it on", "Cable and port", "Configuration", "Check", "When the link is down", "Quirks", "How sure"];

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|reason| panic!("{name}: {reason}"))
}

fn smdrd(arguments: &[&str]) -> Command {
    let mut command = Command::cargo_bin("smdrd").unwrap();
    command.args(arguments);
    command
}

fn dialects(arguments: &[&str]) -> String {
    // The machine's own dialects are none of the test's business.
    let out = smdrd(&["dialects", "--dialects", "/nonexistent"]).args(arguments).assert().success();
    String::from_utf8(out.get_output().stdout.clone()).unwrap()
}

fn ids() -> Vec<&'static str> {
    Library::shipped().ids().collect()
}

/// The names of the Markdown files in a folder, without the ending.
fn pages(folder: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(path(folder)).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.filter(|file| file.extension().is_some_and(|extension| extension == "md"));
    files.map(|file| file.file_stem().unwrap().to_string_lossy().into_owned()).collect()
}

#[test]
fn the_pages_are_what_the_program_prints() {
    let mut drifted = Vec::new();
    let mut expected = BTreeSet::new();
    let guides = ids().into_iter().map(|id| (id, vec!["guide", id]));
    for (name, arguments) in guides.chain([("README", vec!["guide"])]) {
        let file = format!("docs/pbx/{name}.md");
        let text = dialects(&arguments);
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path(&file), &text).unwrap();
        } else if std::fs::read_to_string(path(&file)).unwrap_or_default() != text {
            drifted.push(file);
        }
        expected.insert(name.to_owned());
    }
    assert!(drifted.is_empty(), "{drifted:?} are not what the program prints: `make guides` writes them again");
    assert_eq!(pages("docs/pbx"), expected, "a page of docs/pbx is of no dialect");
}

#[test]
fn notes_are_whole_and_each_is_of_a_dialect() {
    let shipped: BTreeSet<String> = ids().into_iter().map(str::to_owned).collect();
    assert_eq!(pages("docs/pbx/notes"), shipped);
    for id in shipped {
        let notes = read(&format!("docs/pbx/notes/{id}.md"));
        let mut lines = notes.lines();
        for key in ["connects: ", "sure: "] {
            let line = lines.next().and_then(|line| line.strip_prefix(key)).unwrap_or_default();
            assert!(line.len() > 5 && !line.ends_with('.'), "{id}: its notes begin with {key:?} and a few words");
        }
        let titles: Vec<&str> = notes.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        assert_eq!(titles, SECTIONS, "{id}");
        for part in notes.split("\n## ").skip(1) {
            let (title, text) = part.split_once('\n').unwrap();
            assert!(text.trim().len() > 20, "{id}: {title} says nothing");
        }
        let long = notes.lines().find(|line| line.chars().count() > 140);
        assert_eq!(long, None, "{id}");
        assert!(!notes.lines().any(|line| line.ends_with(' ')), "{id} has blanks at the end of a line");
    }
}

/// The pieces of TOML of a page.
fn snippets(page: &str) -> Vec<&str> {
    page.split("```toml\n").skip(1).map(|rest| rest.split_once("\n```").unwrap().0).collect()
}

/// What `smdrd check` says of a configuration: whether it is good, and everything else.
fn check(text: &str) -> (bool, Value) {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("smdrd.toml");
    // Others may not write it, whatever the umask of who runs the test.
    std::fs::write(&file, text).unwrap();
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(&file, permissions).unwrap();
    let out = smdrd(&["check", "--json", "--config"]).arg(&file).output().unwrap();
    let said: Value = serde_json::from_slice(&out.stdout).unwrap();
    (out.status.success() && said["good"] == true, said)
}

#[test]
fn what_is_pasted_from_a_guide_is_accepted() {
    const PRACTICE: &str = "[[practice]]\nods = \"A81001\"\n";
    const OWN: &str = "\n[numbers]\nown = [\"01632960100-01632960199\"]\n";
    let mut seen = 0;
    for id in ids() {
        let page = dialects(&["guide", id]);
        let snippets = snippets(&page);
        assert!(!snippets.is_empty(), "{id} has nothing to paste");
        assert!(snippets[0].contains("[[practice]]") && snippets[0].contains("[numbers]"), "{id}: not whole");
        for snippet in snippets {
            assert!(snippet.contains(&format!("dialect = \"{id}\"")), "{id}: a source of another\n{snippet}");
            let whole = if snippet.contains("[[practice]]") {
                snippet.to_owned()
            } else {
                format!("{PRACTICE}\n{snippet}\n{OWN}")
            };
            let (good, said) = check(&whole);
            assert!(good, "{id}: {said:#}\n{whole}");
            // A folder that is not there yet is no fault of what was pasted.
            let warnings = said["warnings"].as_array().unwrap().iter();
            let odd: Vec<_> = warnings.filter(|w| !w.to_string().contains("folder.path")).collect();
            assert!(odd.is_empty(), "{id}: {odd:?}");
            seen += 1;
        }
    }
    assert!(seen >= ids().len());
    let wrong =
        format!("{PRACTICE}\n[[source]]\nname = \"x\"\ndialect = \"3cx\"\noptions = {{ colour = \"red\" }}\n{OWN}");
    assert!(!check(&wrong).0, "a wrong option is not found");
}

#[test]
fn a_guide_says_what_the_format_never_shows_and_shows_an_example() {
    let page = dialects(&["guide", "panasonic-tes"]);
    let lack = smdrd::dialect::cannot::Lack::of("ring").unwrap();
    assert!(page.contains(lack.sentence), "{page}");
    assert!(page.contains("With `arrivals = \"no\"`"), "what an option takes away is not said");
    assert!(page.contains("`smdrd parse` makes of it") && page.contains("\"direction\":\"inbound\""), "{page}");
    for id in ids() {
        let page = dialects(&["guide", id]);
        for word in &Library::shipped().get(id).unwrap().cannot {
            assert!(page.contains(&format!("* `{word}`: ")), "{id}: {word}");
        }
    }
}

#[test]
fn a_detection_and_show_say_what_the_format_never_shows() {
    let lack = smdrd::dialect::cannot::Lack::of("outbound-answer").unwrap();
    let capture = path("tests/captures/samsung-officeserv/samsung-officeserv-7200.smdr");
    let detect = |json: &[&str]| {
        let out = smdrd(&["detect", "--dialects", "/nonexistent"]).args(json).arg(&capture).output().unwrap();
        String::from_utf8(out.stdout).unwrap()
    };
    assert!(detect(&[]).contains(lack.sentence), "{}", detect(&[]));
    let found: Value = serde_json::from_str(&detect(&["--json"])).unwrap();
    let best = &found["candidates"][0];
    assert_eq!(best["dialect"], "samsung-officeserv");
    assert!(best["cannot"].as_array().unwrap().contains(&lack.word.into()), "{best}");
    assert!(dialects(&["show", "samsung-officeserv"]).contains(lack.sentence));
}

#[test]
fn a_pbx_is_found_by_what_stands_on_its_cabinet() {
    let found = |model: &str| -> Vec<String> {
        let objects = dialects(&["list", "--json", model]);
        let ids = objects.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].clone());
        ids.map(|id| id.as_str().unwrap().to_owned()).collect()
    };
    for (model, id) in [
        ("officeserv", "samsung-officeserv"),
        ("iDCS-100", "samsung-officeserv"),
        ("option 11", "nortel-meridian"),
        ("Hicom 150E", "siemens-hipath3000"),
        ("BP250", "ericsson-bp"),
        ("versatility", "bt-versatility"),
        ("KX-TDA100", "panasonic-kx"),
        ("axxess", "mitel-5000"),
        ("definity", "avaya-cm"),
        ("norstar compact", "nortel-bcm"),
    ] {
        assert_eq!(found(model), [id], "{model}");
    }
    assert!(dialects(&["list", "officeserv 7200"]).contains("OfficeServ 7200"));
    let none = smdrd(&["dialects", "--dialects", "/nonexistent", "list", "Strowger"]).assert().code(1);
    smdrd(&["dialects", "--dialects", "/nonexistent", "list", ""]).assert().code(1);
    assert!(String::from_utf8_lossy(&none.get_output().stderr).contains("smdrd detect"));
    let badges = Library::shipped().ids().map(|id| Library::shipped().get(id).unwrap().models.len()).min();
    assert!(badges.is_some_and(|least| least > 0), "a dialect has no model");
}

#[test]
fn a_dialect_of_the_site_has_a_guide_without_notes() {
    let place = tempfile::tempdir().unwrap();
    let text = read("config/dialects/bt-versatility.toml").replace("id = \"bt-versatility\"", "id = \"our-pbx\"");
    std::fs::write(place.path().join("ours.toml"), text).unwrap();
    let out = smdrd(&["dialects", "guide", "our-pbx", "--dialects"]).arg(place.path()).assert().success();
    let page = String::from_utf8(out.get_output().stdout.clone()).unwrap();
    assert!(page.contains("There are no notes") && page.contains("`unanswered`: "), "{page}");
    smdrd(&["dialects", "guide", "no-such", "--dialects", "/nonexistent"]).assert().code(2);
}
