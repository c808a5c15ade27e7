//! The Debian package: everything it is made of is there, and an upgrade is a restart.

use std::path::{Path, PathBuf};
use std::process::Command;

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn metadata() -> toml::Table {
    let manifest: toml::Table = toml::from_str(&std::fs::read_to_string(path("Cargo.toml")).unwrap()).unwrap();
    manifest["package"]["metadata"]["deb"].as_table().unwrap().clone()
}

/// Where each file of a package comes from and goes to.
fn assets(deb: &toml::Table) -> Vec<(String, String)> {
    let assets = deb["assets"].as_array().unwrap().iter();
    assets.map(|asset| (asset[0].as_str().unwrap().to_owned(), asset[1].as_str().unwrap().to_owned())).collect()
}

/// The files that a pattern with at most one `*`, in its last part, finds.
fn found(pattern: &str) -> Vec<PathBuf> {
    let (folder, name) = pattern.rsplit_once('/').unwrap_or((".", pattern));
    let (before, after) = name.split_once('*').unwrap_or((name, ""));
    let fits = |file: &str| {
        if name.contains('*') { file.starts_with(before) && file.ends_with(after) } else { file == name }
    };
    let entries = std::fs::read_dir(path(folder)).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| fits(&path.file_name().unwrap().to_string_lossy())).collect()
}

#[test]
fn everything_in_the_packages_is_there() {
    let deb = metadata();
    let feed = deb["variants"]["feed"].as_table().unwrap();
    for (from, _) in assets(&deb).into_iter().chain(assets(feed)) {
        match from.strip_prefix("target/release/") {
            Some(binary) => assert!(matches!(binary, "smdrd" | "smdr-feed"), "{from}"),
            None => assert!(!found(&from).is_empty(), "{from} is in a package and not here"),
        }
    }
    for kind in ["service", "sysusers", "tmpfile"] {
        for unit in ["smdrd", "smdr-feed"] {
            assert!(path(&format!("systemd/{unit}.{kind}")).is_file(), "cargo-deb takes the unit's files by name");
        }
    }
    // What the unit and the configuration refer to.
    let to: Vec<String> = assets(&deb).into_iter().map(|(_, to)| to).collect();
    for file in ["etc/smdrd/smdrd.toml", "usr/share/doc/smdrd/", "usr/share/man/man1/", "usr/bin/"] {
        assert!(to.iter().any(|to| to == file), "nothing goes to {file}");
    }
}

#[test]
fn an_upgrade_restarts_the_service_and_never_stops_it() {
    let deb = metadata();
    for package in [&deb, deb["variants"]["feed"].as_table().unwrap()] {
        let unit = package["systemd-units"][0].as_table().unwrap();
        for (key, value) in
            [("restart-after-upgrade", true), ("stop-on-upgrade", false), ("enable", true), ("start", true)]
        {
            assert_eq!(unit.get(key).and_then(toml::Value::as_bool), Some(value), "{key}");
        }
    }
    let service = std::fs::read_to_string(path("systemd/smdrd.service")).unwrap();
    let says = |key: &str| service.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).next_back();
    assert!(says("FileDescriptorStoreMax").is_some_and(|most| most.parse::<u32>().unwrap() >= 64));
    assert_eq!(says("RuntimeDirectoryPreserve"), Some("restart"));
    assert_eq!(says("NotifyAccess"), Some("main"));
    assert_eq!((says("StateDirectoryMode"), says("UMask")), (Some("0700"), Some("0077")));
    assert_eq!(says("MemorySwapMax"), Some("0"));
    for key in ["LoadCredential", "SetCredential", "ImportCredential", "LoadCredentialEncrypted"] {
        assert_eq!(says(key), None, "a site's credentials are in a drop-in of its own");
    }
}

#[test]
fn the_configuration_that_comes_with_the_package_lets_the_service_idle() {
    let config = path("packaging/smdrd.toml");
    let check = Command::new(env!("CARGO_BIN_EXE_smdrd")).arg("check").arg("--config").arg(&config).output().unwrap();
    assert_eq!(check.status.code(), Some(0), "{}", String::from_utf8_lossy(&check.stderr));
    let conf_files = metadata()["conf-files"].as_array().unwrap().clone();
    assert_eq!(conf_files, [toml::Value::from("/etc/smdrd/smdrd.toml")]);
}

/// The receiver's unit, with the settings that come with its package, is a command line that the program takes.
#[cfg(feature = "supplier")]
#[test]
fn the_receivers_service_starts_what_its_settings_say() {
    let feed = metadata()["variants"]["feed"].as_table().unwrap().clone();
    assert_eq!(feed["conf-files"].as_array().unwrap()[..], [toml::Value::from("/etc/default/smdr-feed")]);
    assert!(assets(&feed).contains(&("packaging/smdr-feed.default".to_owned(), "etc/default/smdr-feed".to_owned())));
    let service = std::fs::read_to_string(path("systemd/smdr-feed.service")).unwrap();
    let says = |key: &str| service.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).next_back();
    assert_eq!((says("StateDirectory"), says("StateDirectoryMode")), (Some("smdr-feed"), Some("0700")));
    assert_eq!((says("User"), says("RestartPreventExitStatus")), (Some("smdr-feed"), Some("78")));
    assert_eq!(says("EnvironmentFile"), Some("/etc/default/smdr-feed"));
    let settings = std::fs::read_to_string(path("packaging/smdr-feed.default")).unwrap();
    let value = |name: &str| settings.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap();
    let example = settings.lines().find_map(|line| line.strip_prefix("# MORE=")).unwrap();
    for more in [value("MORE"), example] {
        let command =
            says("ExecStart").unwrap().replace("${LISTEN}", value("LISTEN")).replace("${STORE}", value("STORE"));
        let words = command.replace("$MORE", more);
        assert!(!words.contains('$'), "{words}");
        let taken = smdrd::supplier::command().try_get_matches_from(words.split_whitespace());
        assert!(taken.is_ok(), "{words}: {}", taken.unwrap_err());
    }
    let sysusers = std::fs::read_to_string(path("systemd/smdr-feed.sysusers")).unwrap();
    assert!(sysusers.contains("\nu smdr-feed ") && sysusers.contains(" /var/lib/smdr-feed "));
}
