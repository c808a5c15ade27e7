//! The house itself: the unit is as shut as it says, the manual pages are those of the commands, the licences are named.

use std::path::{Path, PathBuf};
use std::process::Command;

#[path = "machine/loudly.rs"]
mod loudly;

use loudly::say_loudly;

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|reason| panic!("{name}: {reason}"))
}

/// Exposure as `systemd-analyze security` sees it, from 0 to 10.
fn exposure(unit: &Path) -> Option<f64> {
    let output = Command::new("systemd-analyze").args(["security", "--offline=true", "--no-pager"]).arg(unit).output();
    let text = String::from_utf8(output.ok()?.stdout).unwrap();
    let line = text.lines().find(|line| line.contains("Overall exposure level"))?;
    line.rsplit_once(": ")?.1.split(' ').next()?.parse().ok()
}

#[test]
fn the_services_are_exposed_by_2_at_most() {
    for unit in ["systemd/smdrd.service", "systemd/smdr-feed.service"] {
        let Some(exposure_of_ours) = exposure(&path(unit)) else {
            return say_loudly("exposure of the services: systemd-analyze is not here or cannot work offline");
        };
        assert!(exposure_of_ours <= 2.0, "{unit} scores {exposure_of_ours}");
    }
    let place = tempfile::tempdir().unwrap();
    let bare = place.path().join("bare.service");
    std::fs::write(&bare, "[Service]\nExecStart=/usr/bin/true\n").unwrap();
    let exposure_of_bare = exposure(&bare).unwrap();
    assert!(exposure_of_bare > 5.0, "a bare unit scores {exposure_of_bare}: the measure measures nothing");
}

/// What `systemd-analyze verify` finds fault with in a unit; nothing where it is not here.
fn faults(name: &str, unit: &str) -> Option<String> {
    let place = tempfile::tempdir().unwrap();
    // The command has to be there.
    let here = unit.replace(&format!("/usr/bin/{name}"), env!("CARGO_BIN_EXE_smdrd"));
    let name = format!("{name}.service");
    std::fs::write(place.path().join(&name), here).unwrap();
    let output =
        Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(place.path().join(&name)).output().ok()?;
    let text = String::from_utf8(output.stderr).unwrap();
    let ours = text.lines().filter(|line| line.contains(&name));
    Some(ours.collect::<Vec<_>>().join("\n"))
}

#[test]
fn the_service_manager_knows_every_word_of_the_service() {
    for name in ["smdrd", "smdr-feed"] {
        let Some(found) = faults(name, &read(&format!("systemd/{name}.service"))) else {
            return say_loudly("the words of the services: systemd-analyze is not here");
        };
        assert_eq!(found, "", "{name}");
    }
    let unit = read("systemd/smdrd.service");
    let wrong = unit.replace("\nType=notify\n", "\nType=notify\nFileDescriptorStoreMost=1\n");
    assert!(faults("smdrd", &wrong).unwrap().contains("FileDescriptorStoreMost"), "a wrong word is not found");
}

#[test]
fn the_service_speaks_to_the_daemon_as_it_is() {
    let unit = read("systemd/smdrd.service");
    for line in ["Type=notify", "User=smdrd", "RestartPreventExitStatus=78", "StateDirectory=smdrd", "LimitCORE=0"] {
        assert!(unit.lines().any(|written| written == line), "systemd/smdrd.service lacks {line}");
    }
    let run = unit.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/bin/smdrd ")).unwrap();
    let verb = run.split(' ').next().unwrap();
    let command = smdrd::cli::command();
    assert!(command.find_subcommand(verb).is_some(), "there is no verb {verb}");
    let reload = unit.lines().find_map(|line| line.strip_prefix("ExecReload=/usr/bin/smdrd ")).unwrap();
    let mut words = reload.split(' ');
    let verb = command.find_subcommand(words.next().unwrap()).unwrap();
    assert!(verb.find_subcommand(words.next().unwrap()).is_some(), "there is no verb {reload}");
    let sysusers = read("systemd/smdrd.sysusers");
    assert!(sysusers.contains("\nu smdrd ") && sysusers.contains("\nm smdrd dialout"));
}

/// `packaging/man/<name>.1` is what the command line says of itself; `UPDATE=1` (`make man`) writes it again.
fn holds_manual(command: clap::Command, name: &'static str) {
    let mut command = command.name(name);
    command.build();
    let mut pages = Vec::new();
    let page = |command: &clap::Command, title: &str| {
        let mut text = Vec::new();
        // No date and no version: a page changes when the command does, and else not.
        let man = clap_mangen::Man::new(command.clone()).title(title.to_owned()).date("").source("smdrd");
        man.render(&mut text).unwrap();
        String::from_utf8(text).unwrap()
    };
    pages.push((format!("{name}.1"), page(&command, name)));
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set() && verb.get_name() != "help") {
        let title = format!("{name}-{}", verb.get_name());
        pages.push((format!("{title}.1"), page(&verb.clone().bin_name(format!("{name} {}", verb.get_name())), &title)));
    }
    let mut stale = Vec::new();
    for (file, text) in pages {
        let at = path("packaging/man").join(&file);
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(at, text).unwrap();
        } else if std::fs::read_to_string(at).unwrap_or_default() != text {
            stale.push(file);
        }
    }
    assert!(stale.is_empty(), "{stale:?} in packaging/man are not what the commands say: `make man` writes them again");
}

#[test]
fn the_manual_pages_are_those_of_the_commands() {
    holds_manual(smdrd::cli::command(), "smdrd");
    #[cfg(feature = "supplier")]
    holds_manual(smdrd::supplier::command(), "smdr-feed");
}

#[test]
fn nothing_committed_names_the_workshop() {
    let mut folders = vec![path("")];
    let mut read = 0;
    // Written in two halves, so that this file does not name them either.
    let names = ["/wo|rk/", "/tmp/ba|sh_jobs", "art|ifactory", "index.crates|.io:"].map(|name| name.replace('|', ""));
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap().path();
            let name = entry.file_name().unwrap().to_string_lossy().into_owned();
            if entry.is_dir() {
                if !matches!(name.as_str(), "target" | ".git") {
                    folders.push(entry);
                }
            } else if let Ok(text) = std::fs::read_to_string(&entry)
                && name != ".git"
            {
                read += 1;
                for word in &names {
                    assert!(!text.contains(word), "{} names {word}", entry.display());
                }
            }
        }
    }
    assert!(read > 50, "only {read} files read");
}
