//! What the box proves itself to the supplier with: where it lies, how it does, and that the key is renewed in time.

use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::courier;
use super::desk::Desk;
use super::keeper::Keeper;
use crate::alert::{Code, Problem};
use crate::clock::Clock;
use crate::config::{Config, Supplier, SupplierAuth};
use crate::push::auth::{KeyFiles, NotYet, ROTATES_AFTER, Rotated, WARNED_DAYS, rotate};
use crate::push::standing::When;
use crate::push::{Auth, Bearer, Client, ClientCertificate, Signed};
use crate::store::StoreError;

/// The credential of the service manager that holds the token.
const TOKEN: &str = "supplier-token";

/// How the box's credentials do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CredentialsStatus {
    /// `bearer`, `signature` or `mtls`.
    pub auth: String,
    /// Name of the box's key.
    #[serde(default)]
    pub keyid: Option<String>,
    /// The name that the supplier knows the box by.
    #[serde(default)]
    pub device: Option<String>,
    /// Since when the key is the box's.
    #[serde(default)]
    pub since: Option<String>,
    /// From when on the box renews it.
    #[serde(default)]
    pub renewed_from: Option<String>,
    /// Until when the certificate is good.
    #[serde(default)]
    pub until: Option<String>,
    /// Why the key could not be renewed.
    #[serde(default)]
    pub not_renewed: Option<String>,
    /// Why the credentials cannot be used.
    #[serde(default)]
    pub unusable: Option<String>,
}

/// The files of the configured way.
fn files(config: &Config, supplier: &Supplier) -> Vec<PathBuf> {
    match supplier.auth() {
        SupplierAuth::Bearer => supplier.token_file.iter().cloned().collect(),
        SupplierAuth::Signature => vec![config.device_key()],
        SupplierAuth::Mtls => supplier.client_cert.iter().chain(&supplier.client_key).cloned().collect(),
    }
}

/// The configured credentials, or why they cannot be used.
pub fn of(config: &Config, supplier: &Supplier) -> Result<Arc<dyn Auth>, String> {
    let text = |error: crate::push::AuthError| error.to_string();
    Ok(match supplier.auth() {
        SupplierAuth::Bearer => {
            let credential = || Some(PathBuf::from(std::env::var_os("CREDENTIALS_DIRECTORY")?).join(TOKEN));
            let token = supplier
                .token_file
                .clone()
                .or_else(credential)
                .ok_or("no token: set supplier.token-file, or give the service the credential supplier-token")?;
            Arc::new(Bearer::from_file(&token).map_err(text)?)
        }
        SupplierAuth::Signature => Arc::new(Signed::from_file(&config.device_key()).map_err(text)?),
        SupplierAuth::Mtls => Arc::new(certificate(supplier)?),
    })
}

fn certificate(supplier: &Supplier) -> Result<ClientCertificate, String> {
    let (Some(cert), Some(key)) = (&supplier.client_cert, &supplier.client_key) else {
        return Err("auth is mtls: set supplier.client-cert and supplier.client-key".to_owned());
    };
    ClientCertificate::from_files(cert, key).map_err(|error| error.to_string())
}

/// Which state of their files the credentials are: another one when somebody put new ones there.
pub(super) fn stamp(config: &Config) -> Vec<Option<(u64, i64, i64)>> {
    let Some(supplier) = &config.supplier else { return Vec::new() };
    let of = |path: &PathBuf| {
        let about = std::fs::metadata(path).ok()?;
        Some((about.ino(), about.mtime(), about.mtime_nsec()))
    };
    files(config, supplier).iter().map(of).collect()
}

/// Days for which the box's certificate is still good, or until its key is to be renewed; nothing where neither can be said.
pub(super) fn days_left(config: &Config, now: Timestamp) -> Option<i64> {
    let supplier = config.supplier.as_ref()?;
    let until = match supplier.auth() {
        SupplierAuth::Bearer => return None,
        SupplierAuth::Signature => {
            let since = Signed::from_file(&config.device_key()).ok()?.current().since?;
            since.checked_add(ROTATES_AFTER).ok()?
        }
        SupplierAuth::Mtls => certificate(supplier).ok()?.until(),
    };
    Some(until.duration_since(now).as_hours().div_euclid(24))
}

/// How the credentials do, and what of it is a problem.
pub(super) fn look(keeper: &Keeper, problems: &mut Vec<Problem>) -> Result<CredentialsStatus, StoreError> {
    let Some(supplier) = &keeper.config.supplier else { return Ok(CredentialsStatus::default()) };
    let (zone, now) = (keeper.config.time_zone(), keeper.clock.now());
    let local = |instant: Timestamp| zone.to_datetime(instant).strftime("%Y-%m-%d %H:%M:%S").to_string();
    let way = supplier.auth();
    let mut status = CredentialsStatus { auth: way.word().to_owned(), ..CredentialsStatus::default() };
    match way {
        SupplierAuth::Bearer => {}
        SupplierAuth::Signature => match Signed::from_file(&keeper.config.device_key()) {
            Ok(signed) => {
                let key = signed.current();
                status.keyid = Some(key.key.public().keyid());
                status.device = key.device.clone();
                status.since = key.since.map(local);
                status.renewed_from = key.since.and_then(|since| since.checked_add(ROTATES_AFTER).ok()).map(local);
                status.not_renewed = keeper.standing()?.key_not_renewed;
            }
            Err(error) => status.unusable = Some(error.to_string()),
        },
        SupplierAuth::Mtls => match certificate(supplier) {
            Ok(certificate) => {
                status.until = Some(local(certificate.until()));
                problems.extend(ending(certificate.until(), now, &local(certificate.until())));
            }
            Err(error) => status.unusable = Some(error),
        },
    }
    Ok(status)
}

/// A certificate that ends soon: told anew at each of the steps, since each is a subject of its own.
pub fn ending(until: Timestamp, now: Timestamp, local: &str) -> Option<Problem> {
    let hours = until.duration_since(now).as_hours();
    let step = WARNED_DAYS.into_iter().filter(|days| hours < days * 24).min()?;
    let what = match until > now {
        true => format!("this box's certificate towards the supplier ends {local}, in {} days", hours / 24),
        false => format!(
            "this box's certificate towards the supplier ended {local}: no day is sent until there is a new one"
        ),
    };
    let remedy = "put the new certificate and key from the supplier into supplier.client-cert and client-key; they are \
                  taken up without a restart";
    let subject = if until > now { format!("within {step} days") } else { "ended".to_owned() };
    Some(Problem::new(Code::CredentialsEnding, what).remedy(remedy).of(subject))
}

/// Renews the box's key in time. Once a night, and once after each start, so that what was cut off is made good.
#[derive(Debug, Default)]
pub(super) struct Renewal {
    looked: Option<Timestamp>,
}

impl Renewal {
    /// Looks whether the key is to be renewed, and does it.
    pub async fn look(&mut self, desk: &Desk, config: &Config, clock: Clock, client: &Client) {
        let Some(supplier) = config.supplier.as_ref().filter(|supplier| supplier.auth() == SupplierAuth::Signature)
        else {
            return;
        };
        let looked = self.looked;
        let due = desk.with(move |keeper: &mut Keeper| {
            let (device, zone, now) = (keeper.device()?, keeper.config.time_zone(), keeper.clock.now());
            let when = When { device: &device, zone: &zone, now, random: 0 };
            let open = keeper.standing()?.is_open(now) && keeper.clock_is_doubted(now).is_none();
            Ok::<_, StoreError>((open && when.is_nightly_due(looked)).then_some(now))
        });
        let Some(Ok(Some(now))) = due.await else { return };
        self.looked = Some(now);
        let with = |key| courier::client_with(supplier, Arc::new(Signed::with(key)), clock).ok();
        let outcome = rotate(&KeyFiles::at(&config.device_key()), client, with, now).await;
        let (done, not_renewed) = match outcome {
            Rotated::NotDue => return,
            Rotated::Renewed { keyid } => {
                tracing::info!(keyid, "the box's key is renewed");
                (true, None)
            }
            Rotated::NotYet(reason) => {
                tracing::warn!(%reason, "the box's key is not renewed; the old one stays in use");
                (false, Some(said(&reason)))
            }
        };
        let noted = desk.with(move |keeper: &mut Keeper| {
            let mut standing = keeper.standing()?;
            (standing.key_tried, standing.key_not_renewed) = (Some(now), not_renewed);
            let work = keeper.store.begin()?;
            if done {
                work.audit(now, "smdrd", "the box's key towards the supplier was renewed")?;
            }
            Keeper::keep_standing(&work, &standing)?;
            work.commit()
        });
        if let Some(Err(error)) = noted.await {
            tracing::error!(%error, "that the key was renewed could not be noted");
        }
    }
}

fn said(reason: &NotYet) -> String {
    format!("{reason}; the old key stays in use, and it is tried again next night")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_told_at_each_step() {
        let now: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
        let told = |days: i64, hours: i64| {
            let problem = ending(now + jiff::SignedDuration::from_hours(24 * days + hours), now, "then")?;
            Some((problem.subject.unwrap(), problem.what))
        };
        assert_eq!((told(400, 0), told(30, 0)), (None, None));
        for (days, hours, subject) in [
            (29, 23, "within 30 days"),
            (14, 0, "within 30 days"),
            (13, 23, "within 14 days"),
            (6, 23, "within 7 days"),
            (0, 23, "within 1 days"),
            (0, -1, "ended"),
            (-3, 0, "ended"),
        ] {
            assert_eq!(told(days, hours).unwrap().0, subject);
        }
        assert!(told(6, 5).unwrap().1.contains("in 6 days"));
    }
}
