//! What a trunk is taken for, and why.

use std::collections::BTreeMap;

use super::profile::{Profiles, Trunk};
use super::{Proposal, Sure, count, source_name, standing};
use crate::call::Site;
use crate::config::TrunkRole;

/// Calls with a number from which something can be said.
const ENOUGH: usize = 3;
/// Calls without any number of the public network from which a tie line is likely.
const MANY: usize = 10;

/// A proposal for each trunk that was seen.
pub fn propose(profiles: &Profiles, site: &Site, sources: &BTreeMap<u16, String>) -> Vec<Proposal<TrunkRole>> {
    let each = profiles.trunks.iter();
    each.map(|((source, name), trunk)| {
        let (role, sure, evidence) = judge(trunk);
        let configured = site.trunk(*source, name);
        Proposal {
            source: source_name(sources, *source),
            name: name.clone(),
            standing: standing(role.as_ref(), &configured),
            role,
            sure,
            evidence,
            configured,
            seen: trunk.legs as u64,
        }
    })
    .collect()
}

fn judge(trunk: &Trunk) -> (Option<TrunkRole>, Sure, Vec<String>) {
    let [inbound, outbound, onward] = trunk.ways;
    let ways = format!("{inbound} in, {outbound} out, {onward} passed on");
    let public = trunk.outside + trunk.withheld;
    if trunk.outside >= ENOUGH {
        let evidence = vec![format!("{} with a number of the public network ({ways})", count(public, "call"))];
        return (Some(TrunkRole::Exchange), Sure::Certain, evidence);
    }
    if public == 0 && trunk.inside >= MANY && inbound > 0 && outbound > 0 {
        let evidence = vec![
            format!(
                "{} both ways, and on every one only numbers as short as a station's ({ways})",
                count(trunk.inside, "call")
            ),
            "none with a number of the public network".to_owned(),
        ];
        return (Some(TrunkRole::Tie), Sure::Likely, evidence);
    }
    if public > 0 {
        let evidence = vec![format!("{} with a number of the public network ({ways})", count(public, "call"))];
        return (Some(TrunkRole::Exchange), Sure::Likely, evidence);
    }
    let what = if trunk.inside > 0 { "only short numbers" } else { "no number" };
    let evidence = vec![format!(
        "not enough yet to tell: {what} on {} ({ways}); an exchange line without caller display, a tie line or a door",
        count(trunk.legs, "leg")
    )];
    (None, Sure::Open, evidence)
}
