//! The service: its unit, what a site has changed of it, and the supplier's token as a credential.

use super::finding::Finding;
use super::system::System;
use crate::config::Config;

/// Where units are, the strongest first.
const PLACES: [&str; 4] =
    ["/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];
/// Settings of the unit that keep promises: numbers out of files, links over a restart, the daemon's own user.
const KEPT: [&str; 10] = [
    "User",
    "LimitCORE",
    "LimitMEMLOCK",
    "MemorySwapMax",
    "UMask",
    "ProtectSystem",
    "FileDescriptorStoreMax",
    "RuntimeDirectory",
    "StateDirectoryMode",
    "Type",
];

/// What is found of the service.
#[derive(Debug, Default)]
pub(super) struct Service {
    /// The unit's place.
    pub unit: Option<String>,
    pub enabled: bool,
    /// Files of the site that change it, with their text.
    pub drop_ins: Vec<(String, String)>,
    /// Unit and drop-ins in one.
    pub text: String,
    /// The configuration names a supplier, and no file for its token.
    pub wants_credential: bool,
    /// There is a TPM.
    pub tpm: bool,
}

pub(super) fn look(system: &System, config: &Config) -> Vec<Finding> {
    judge(&gather(system, config))
}

fn gather(system: &System, config: &Config) -> Service {
    let unit = PLACES.iter().map(|place| format!("{place}/smdrd.service")).find(|path| system.has(path));
    let mut service = Service {
        enabled: system.has("/etc/systemd/system/multi-user.target.wants/smdrd.service"),
        text: unit.as_ref().and_then(|unit| system.read(unit)).unwrap_or_default(),
        wants_credential: config.supplier.as_ref().is_some_and(|supplier| supplier.wants_credential()),
        tpm: system.has("/sys/class/tpm/tpm0"),
        unit,
        ..Service::default()
    };
    for place in PLACES {
        let folder = format!("{place}/smdrd.service.d");
        for name in system.list(&folder).into_iter().filter(|name| name.ends_with(".conf")) {
            let path = format!("{folder}/{name}");
            let text = system.read(&path).unwrap_or_default();
            service.text += &format!("\n{text}");
            service.drop_ins.push((path, text));
        }
    }
    service
}

/// The settings that a text makes.
fn settings(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])).filter_map(|line| line.split_once('='))
}

fn judge(service: &Service) -> Vec<Finding> {
    let mut findings = Vec::new();
    match &service.unit {
        None => findings.push(Finding::warning(
            "service",
            "smdrd is not installed as a service",
            "nobody starts it with the box, and a restart may lose lines",
            "install the package, or systemd/smdrd.service",
        )),
        Some(unit) if !service.enabled => findings.push(Finding::fault(
            "service",
            format!("{unit} is installed and not enabled"),
            "after a power cut the box hears nothing",
            "systemctl enable --now smdrd",
        )),
        Some(unit) => findings.push(Finding::ok("service", format!("{unit}, enabled"))),
    }
    for (path, text) in &service.drop_ins {
        let changed: Vec<&str> = settings(text).map(|(key, _)| key.trim()).filter(|key| KEPT.contains(key)).collect();
        findings.push(if changed.is_empty() {
            Finding::ok("overrides", format!("{path} adds to the service"))
        } else {
            Finding::warning(
                "overrides",
                format!("{path} changes {}", changed.join(", ")),
                "these keep numbers out of files and links open over a restart",
                format!("take them out of {path} unless they are meant, then systemctl daemon-reload"),
            )
        });
    }
    findings.extend(credential(service));
    findings
}

fn credential(service: &Service) -> Option<Finding> {
    if !service.wants_credential {
        return None;
    }
    let of = |key: &str| {
        settings(&service.text).any(|(name, value)| name.trim() == key && value.trim().starts_with("supplier-token"))
    };
    Some(match () {
        () if of("SetCredential") => Finding::fault(
            "token",
            "the supplier's token stands in the unit (SetCredential)",
            "every user of the box can read a unit",
            "use LoadCredentialEncrypted=supplier-token; docs/config.md has it",
        ),
        () if of("LoadCredentialEncrypted") && !service.tpm => Finding::warning(
            "token",
            "the supplier's token is encrypted with a key that lies on the same disk: there is no TPM",
            "whoever takes the disk has the token",
            "encrypt the disk, or ask the supplier for a new token if the box is stolen",
        ),
        () if of("LoadCredentialEncrypted") => {
            Finding::ok("token", "the supplier's token is encrypted, bound to the TPM")
        }
        () if of("LoadCredential") => Finding::ok("token", "the supplier's token is a credential of the service"),
        () => Finding::fault(
            "token",
            "there is no token for the supplier: neither token-file nor the credential supplier-token",
            "no day is sent",
            "LoadCredentialEncrypted=supplier-token in a drop-in, or supplier.token-file; docs/config.md has both",
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::super::finding::State;
    use super::*;

    #[test]
    fn the_service_is_judged_by_its_unit_and_drop_ins() {
        let unit = || Some("/usr/lib/systemd/system/smdrd.service".to_owned());
        let states = |service: Service| judge(&service).iter().map(|f| (f.check, f.state)).collect::<Vec<_>>();
        let on = || Service { unit: unit(), enabled: true, ..Service::default() };
        let drop_in = |text: &str| vec![("/etc/systemd/system/smdrd.service.d/a.conf".to_owned(), text.to_owned())];
        assert_eq!(states(Service::default()), [("service", State::Warning)]);
        assert_eq!(states(Service { enabled: false, ..on() }), [("service", State::Fault)]);
        assert_eq!(states(on()), [("service", State::Ok)]);
        let core = Service { drop_ins: drop_in("[Service]\nLimitCORE=infinity\n# User=root\n"), ..on() };
        let found = judge(&core);
        assert!(found[1].what.ends_with("changes LimitCORE") && found[1].state == State::Warning, "{found:?}");
        let more = Service { drop_ins: drop_in("[Service]\nEnvironment=SMDRD_LOG=debug\n"), ..on() };
        assert_eq!(states(more)[1], ("overrides", State::Ok));
    }

    #[test]
    fn the_token_is_judged_by_where_it_lies() {
        for (text, tpm, state) in [
            ("", false, State::Fault),
            ("SetCredential=supplier-token:abc", true, State::Fault),
            ("LoadCredential=supplier-token:/etc/credstore/t", false, State::Ok),
            ("LoadCredentialEncrypted=supplier-token", false, State::Warning),
            ("LoadCredentialEncrypted=supplier-token", true, State::Ok),
            ("#LoadCredential=supplier-token", true, State::Fault),
        ] {
            let service = Service { text: text.into(), tpm, wants_credential: true, ..Service::default() };
            assert_eq!(credential(&service).unwrap().state, state, "{text} {tpm}");
        }
        assert_eq!(credential(&Service::default()), None);
    }
}
