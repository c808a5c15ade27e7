//! Whether a call joined a group's queue, for reports that count no other calls.

use super::Site;
use crate::config::StationRole;
use crate::record::MaskedRecord;

/// Whether the call that these records of `source` make joined a group's queue: it did where a record names a station of the
/// role hunt group. Nothing where none does and no station of the source has that role, for
/// then a group looks like anybody.
pub fn queued<'a>(site: &Site, source: u16, records: impl IntoIterator<Item = &'a MaskedRecord>) -> Option<bool> {
    let is_group = |name: &str| site.station(source, name) == StationRole::HuntGroup;
    let joined = |record: &MaskedRecord| {
        let names = [record.port.as_deref(), record.extension.as_deref()];
        names.into_iter().flatten().any(is_group)
    };
    match records.into_iter().any(joined) {
        true => Some(true),
        false => site.has_groups(source).then_some(false),
    }
}
