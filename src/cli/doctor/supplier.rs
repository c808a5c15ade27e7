//! The supplier: whether it is reached, trusts the token, and has the same time.

use jiff::Timestamp;

use super::finding::Finding;
use crate::clock::Clock;
use crate::config::{Config, Supplier, SupplierAuth};
use crate::daemon::courier;
use crate::daemon::credentials::ending;
use crate::daemon::status::Snapshot;
use crate::push::auth::{ClientCertificate, DeviceKey};
use crate::push::{Delivery, SKEW_WORTH_TELLING_S, Why};

/// How wrong a clock may be before a person should look, in seconds: a slot is half an hour.
const SKEW_ODD_S: i64 = 60;

/// What came of asking it for the list of its days.
#[derive(Debug)]
pub(super) enum Tried {
    /// It gave the list.
    Well,
    /// It answered otherwise, or not.
    Otherwise(Delivery),
    /// It could not be tried, for this reason.
    NotSetUp(String),
}

pub(super) fn look(config: &Config, snapshot: Option<&Snapshot>) -> Vec<Finding> {
    let Some(supplier) = &config.supplier else {
        return vec![Finding::warning(
            "supplier",
            "no supplier is configured",
            "days are kept and not sent",
            "[supplier] in the configuration, when there is one",
        )];
    };
    let url = supplier.url.get_ref();
    let Some(practice) = config.practice.first() else {
        return vec![Finding::warning(
            "supplier",
            "a supplier is configured, and no practice",
            "there is nothing to send",
            "[[practice]] in the configuration",
        )];
    };
    // The token that is a credential of the service is not here; the daemon has it, and knows how things stand.
    let credential = supplier.wants_credential() && std::env::var_os("CREDENTIALS_DIRECTORY").is_none();
    if credential {
        return vec![by_the_daemon(url, snapshot)];
    }
    let (tried, skew_s) = ask(config, practice.ods.get_ref(), practice.site.get_ref());
    let mut findings = vec![judge(url, &tried, supplier.auth())];
    findings.extend(own_credentials(config, supplier, snapshot));
    findings.extend(skew_s.map(clock));
    findings
}

fn ask(config: &Config, ods: &str, site: &str) -> (Tried, Option<i64>) {
    let client = match courier::client(config, Clock::system()) {
        Some(Ok(client)) => client,
        Some(Err(error)) => return (Tried::NotSetUp(error), None),
        None => return (Tried::NotSetUp("no supplier is configured".into()), None),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return (Tried::NotSetUp(error.to_string()), None),
    };
    let today = jiff::Zoned::now().date();
    let asked = runtime.block_on(client.manifest(ods, site, today.yesterday().unwrap_or(today), today));
    (asked.map_or_else(Tried::Otherwise, |_| Tried::Well), client.skew_s())
}

fn judge(url: &str, tried: &Tried, auth: SupplierAuth) -> Finding {
    let fault =
        |what: String, why: &str, remedy: &str| Finding::fault("supplier", format!("{url}: {what}"), why, remedy);
    let kept = "days are kept, and sent when it takes them again";
    match tried {
        Tried::Well => {
            let proof = match auth {
                SupplierAuth::Bearer => "token",
                SupplierAuth::Signature => "signature of this box's key",
                SupplierAuth::Mtls => "certificate of this box",
            };
            Finding::ok("supplier", format!("{url}: reached, and it takes the {proof}"))
        }
        Tried::NotSetUp(error) => fault(error.clone(), kept, "correct [supplier] in the configuration"),
        Tried::Otherwise(delivery) => {
            let said = delivery.said().unwrap_or_default();
            match delivery {
                Delivery::Unauthorised { proof, .. } => {
                    let token = "put the token that the supplier gave into its file";
                    fault(said, kept, proof.remedy().unwrap_or(token))
                }
                Delivery::Forbidden { .. } | Delivery::NotParticipating { .. } | Delivery::Gone { .. } => fault(
                    said,
                    "days of this practice are not taken",
                    "ask the supplier whether it knows the practice by this ODS code",
                ),
                Delivery::Transient { why: Why::ClockSkew(_), .. } => fault(said, kept, "timedatectl set-ntp true"),
                Delivery::Transient { .. } => fault(
                    said,
                    kept,
                    "outgoing TCP 443 to the supplier's name must be open; docs/upload.md says what else is needed",
                ),
                // It speaks to the box, and has no list of days to give.
                _ => Finding::ok("supplier", format!("{url}: reached; it gives no list of days ({said})")),
            }
        }
    }
}

/// The box's own key or certificate: whose it is, and whether it is about to end.
fn own_credentials(config: &Config, supplier: &Supplier, snapshot: Option<&Snapshot>) -> Option<Finding> {
    match supplier.auth() {
        SupplierAuth::Bearer => None,
        SupplierAuth::Signature => {
            let key = DeviceKey::read(&config.device_key()).ok()?;
            let (keyid, device) = (key.key.public().keyid(), key.device);
            let name = snapshot.map(|snapshot| snapshot.device.as_str());
            Some(match (&device, name) {
                (Some(device), Some(name)) if device != name => Finding::warning(
                    "key",
                    format!("the key was enrolled for {device}, and this box is {name}"),
                    "the supplier takes no heartbeat under another name",
                    format!("put device = {device:?} into the configuration, or enrol the box again"),
                ),
                _ => Finding::ok("key", format!("this box signs with the key {keyid}")),
            })
        }
        SupplierAuth::Mtls => {
            let certificate =
                ClientCertificate::from_files(supplier.client_cert.as_ref()?, supplier.client_key.as_ref()?).ok()?;
            let until = certificate.until();
            let ok = || Finding::ok("certificate", format!("this box's certificate is good until {until}"));
            Some(ending(until, Timestamp::now(), &until.to_string()).map_or_else(ok, |problem| {
                let (why, remedy) = ("without it no day is sent; days are kept", problem.remedy.clone());
                match until > Timestamp::now() {
                    true => Finding::warning("certificate", problem.what, why, remedy),
                    false => Finding::fault("certificate", problem.what, why, remedy),
                }
            }))
        }
    }
}

fn clock(skew_s: i64) -> Finding {
    let off = match skew_s {
        ..0 => format!("{} s behind the supplier's", skew_s.unsigned_abs()),
        _ => format!("{skew_s} s ahead of the supplier's"),
    };
    let why = "days close at the box's midnight, and the supplier refuses a clock that is far off";
    let remedy = "timedatectl set-ntp true; where NTP is blocked, name the practice's own server in timesyncd.conf";
    match () {
        () if skew_s.abs() <= SKEW_ODD_S => Finding::ok("skew", format!("the box's clock is {off}")),
        () if skew_s.abs() <= SKEW_WORTH_TELLING_S => {
            Finding::warning("skew", format!("the box's clock is {off}"), why, remedy)
        }
        () => Finding::fault("skew", format!("the box's clock is {off}"), why, remedy),
    }
}

fn by_the_daemon(url: &str, snapshot: Option<&Snapshot>) -> Finding {
    match snapshot.and_then(|snapshot| snapshot.supplier.as_ref()) {
        Some(known) if known.failed > 0 => Finding::fault(
            "supplier",
            format!("{url}: {}", known.last_problem.as_deref().unwrap_or("the last try failed")),
            "days are kept, and sent when it takes them again",
            "smdrd status shows since when; smdrd push tries at once",
        ),
        Some(known) if known.last_success.is_some() => Finding::ok(
            "supplier",
            format!("{url}: the daemon reached it last {}", known.last_success.as_deref().unwrap_or_default()),
        ),
        _ => Finding::warning(
            "supplier",
            format!("{url}: not tried: the token is a credential of the service, and not to be seen from here"),
            "whether days can be sent is not known yet",
            "smdrd push, while the daemon runs, tries it",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::State;
    use super::*;
    use crate::push::Problem;

    #[test]
    fn what_the_supplier_says_is_judged() {
        let problem = || Problem { status: 401, kind: None, title: None, detail: None };
        let transient = |why| Tried::Otherwise(Delivery::Transient { why, retry_after: None, status: None });
        for (tried, state) in [
            (Tried::Well, State::Ok),
            (Tried::NotSetUp("no token".into()), State::Fault),
            (
                Tried::Otherwise(Delivery::Unauthorised {
                    problem: problem(),
                    credentials: None,
                    proof: crate::push::Proof::Token,
                }),
                State::Fault,
            ),
            (Tried::Otherwise(Delivery::NotParticipating { problem: problem() }), State::Fault),
            (Tried::Otherwise(Delivery::Parked { problem: problem() }), State::Ok),
            (transient(Why::UnknownName("feed.example".into())), State::Fault),
            (transient(Why::UntrustedAuthority), State::Fault),
            (transient(Why::ClockSkew(problem())), State::Fault),
        ] {
            assert_eq!(judge("https://feed.example", &tried, SupplierAuth::Signature).state, state, "{tried:?}");
        }
        for (skew, state) in [(0, State::Ok), (-30, State::Ok), (120, State::Warning), (-4000, State::Fault)] {
            assert_eq!(clock(skew).state, state, "{skew}");
        }
        assert_eq!(by_the_daemon("https://feed.example", None).state, State::Warning);
    }
}
