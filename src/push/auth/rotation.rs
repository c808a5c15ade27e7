//! A box renews its key by itself. The new key is on the disk before it is posted, and is used only once the supplier has
//! said that it knows it; until then, and whatever is cut off in between, the old one is good.

use jiff::{SignedDuration, Timestamp};

use super::super::{Client, Delivery};
use super::enrolment::NewKey;
use super::{AuthError, DeviceKey, KeyFiles};

/// How old a key becomes before it is renewed.
pub const ROTATES_AFTER: SignedDuration = SignedDuration::from_hours(180 * 24);

/// What came of it.
#[derive(Debug)]
pub enum Rotated {
    /// There was nothing to do.
    NotDue,
    /// A new key is in use.
    Renewed {
        /// Its name.
        keyid: String,
    },
    /// It could not be done; the old key stays in use.
    NotYet(NotYet),
}

/// Why a key was not renewed.
#[derive(Debug, thiserror::Error)]
pub enum NotYet {
    /// The files.
    #[error(transparent)]
    Files(#[from] AuthError),
    /// The supplier does not take it, or cannot be asked.
    #[error("{}", .0.said().unwrap_or_default())]
    Supplier(Delivery),
    /// The answer is of another key.
    #[error("the supplier's answer is not for the key that was sent")]
    OtherKey,
}

/// Renews the key in `files` where it is due, or goes on where an earlier try was cut off. `client` signs with the key in use;
/// `with` makes one that signs with another.
pub async fn rotate(
    files: &KeyFiles,
    client: &Client,
    with: impl Fn(DeviceKey) -> Option<Client>,
    now: Timestamp,
) -> Rotated {
    match renew(files, client, with, now).await {
        Ok(Some(keyid)) => Rotated::Renewed { keyid },
        Ok(None) => Rotated::NotDue,
        Err(reason) => Rotated::NotYet(reason),
    }
}

async fn renew(
    files: &KeyFiles,
    client: &Client,
    with: impl Fn(DeviceKey) -> Option<Client>,
    now: Timestamp,
) -> Result<Option<String>, NotYet> {
    let Some(current) = KeyFiles::read(&files.key)? else { return Ok(None) };
    let Some(device) = current.device.clone() else { return Ok(None) };
    let next = match KeyFiles::read(&files.next())? {
        // That it lies there already means that an earlier try got so far; the supplier may know it or not.
        Some(next) if next.key.public() != current.key.public() => next,
        _ if current.since.is_none_or(|since| now.duration_since(since) < ROTATES_AFTER) => return Ok(None),
        _ => {
            let next = DeviceKey::generate(Some(device.clone()), now, None)?;
            KeyFiles::keep(&files.next(), &next)?;
            next
        }
    };
    let request = NewKey::of(&next.key, &device, &current.key.public().keyid());
    let answer = match client.add_key(&device, &request).await {
        // The old key is not taken any more: the supplier knows the new one since long ago, or neither.
        Err(refused @ Delivery::Unauthorised { .. }) => match with(DeviceKey::read(&files.next())?) {
            Some(client) => {
                let itself = NewKey::of(&next.key, &device, &next.key.public().keyid());
                client.add_key(&device, &itself).await.map_err(|_| refused)
            }
            None => Err(refused),
        },
        answer => answer,
    };
    let enrolled = answer.map_err(NotYet::Supplier)?;
    let keyid = next.key.public().keyid();
    if enrolled.keyid != keyid {
        return Err(NotYet::OtherKey);
    }
    files.take_up(&files.next())?;
    Ok(Some(keyid))
}
