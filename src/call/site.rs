//! What the site says of its stations, its trunks and whose calls are whose.

use std::collections::HashMap;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::Leg;
use crate::config::{Config, StationRole, TrunkRole};

/// Whose call it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Owner {
    /// A practice, at one of its sites.
    Practice {
        /// ODS code.
        ods: CompactString,
        /// Site within the practice.
        site: CompactString,
    },
    /// Another tenant of the PBX: counted here, never sent.
    Tenant(CompactString),
    /// Nobody that the configuration names: counted here, never sent.
    Nobody,
}

impl Owner {
    /// The two words that stand for the owner in the database.
    pub fn key(&self) -> (CompactString, CompactString) {
        match self {
            Owner::Practice { ods, site } => (ods.clone(), site.clone()),
            Owner::Tenant(name) => ("-tenant".into(), name.clone()),
            Owner::Nobody => ("-nobody".into(), "".into()),
        }
    }

    /// The owner that [`Owner::key`] stands for.
    pub fn from_key(ods: &str, site: &str) -> Owner {
        match ods {
            "-tenant" => Owner::Tenant(site.into()),
            "-nobody" => Owner::Nobody,
            _ => Owner::Practice { ods: ods.into(), site: site.into() },
        }
    }
}

#[derive(Debug, Clone)]
struct Share {
    owner: Owner,
    ddis: Vec<CompactString>,
    trunks: Vec<CompactString>,
    groups: Vec<CompactString>,
}

/// Roles and ownership, from the configuration.
#[derive(Debug, Clone)]
pub struct Site {
    stations: HashMap<CompactString, StationRole>,
    trunks: HashMap<CompactString, TrunkRole>,
    shares: Vec<Share>,
}

fn words(list: &[String]) -> Vec<CompactString> {
    list.iter().map(|word| word.as_str().into()).collect()
}

impl Site {
    /// From the configuration.
    pub fn new(config: &Config) -> Site {
        let practices = config.practice.iter().map(|practice| Share {
            owner: Owner::Practice {
                ods: practice.ods.get_ref().as_str().into(),
                site: practice.site.get_ref().as_str().into(),
            },
            ddis: words(&practice.ddis),
            trunks: words(&practice.trunks),
            groups: words(&practice.groups),
        });
        let tenants = config.other_tenant.iter().map(|tenant| Share {
            owner: Owner::Tenant(tenant.name.get_ref().as_str().into()),
            ddis: words(&tenant.ddis),
            trunks: words(&tenant.trunks),
            groups: words(&tenant.groups),
        });
        Site {
            stations: config.roles.stations.iter().map(|(name, role)| (name.as_str().into(), *role)).collect(),
            trunks: config.roles.trunks.iter().map(|(name, role)| (name.as_str().into(), *role)).collect(),
            shares: practices.chain(tenants).collect(),
        }
    }

    /// What a station is; staff unless the configuration says otherwise.
    pub fn station(&self, name: &str) -> StationRole {
        self.stations.get(name).copied().unwrap_or_default()
    }

    /// What a trunk is; an exchange line unless the configuration says otherwise.
    pub fn trunk(&self, name: &str) -> TrunkRole {
        self.trunks.get(name).copied().unwrap_or_default()
    }

    /// Whose call these legs are. A single practice owns everything; with several, the DDI decides before the group
    /// or station, and that before the trunk, since a shared trunk may carry anybody's call. Of several legs the first
    /// that says something decides: a call stays whose it was when it is transferred to a neighbour.
    pub fn owner(&self, legs: &[Leg]) -> Owner {
        if let [only] = self.shares.as_slice() {
            return only.owner.clone();
        }
        let first = |named: fn(&Leg) -> Option<&CompactString>, listed: fn(&Share) -> &[CompactString]| {
            legs.iter().filter_map(named).find_map(|name| self.shares.iter().find(|share| listed(share).contains(name)))
        };
        first(|leg| leg.record.ddi.as_ref()?.own.as_ref(), |share| &share.ddis)
            .or_else(|| first(|leg| leg.record.extension.as_ref(), |share| &share.groups))
            .or_else(|| first(|leg| leg.record.trunk.as_ref(), |share| &share.trunks))
            .map_or(Owner::Nobody, |share| share.owner.clone())
    }
}
