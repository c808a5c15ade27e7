//! What the site says of its stations, its trunks and whose calls are whose.

use std::collections::HashMap;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::Leg;
use crate::config::{self, Config, DivertedOutside, StationRole, TrunkRole};

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

/// What the configuration gives a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Given<'a> {
    /// A station.
    Station(&'a str),
    /// A trunk.
    Trunk(&'a str),
}

#[derive(Debug, Clone)]
struct Share {
    owner: Owner,
    /// The sources that its lists speak of; nothing when that is all of them.
    sources: Option<Vec<u16>>,
    ddis: Vec<CompactString>,
    trunks: Vec<CompactString>,
    groups: Vec<CompactString>,
    /// Whether what nobody lists is its own.
    unmatched: bool,
}

impl Share {
    fn speaks_of(&self, source: u16) -> bool {
        self.sources.as_ref().is_none_or(|sources| sources.contains(&source))
    }
}

#[derive(Debug, Clone, Default)]
struct Roles {
    stations: HashMap<CompactString, StationRole>,
    trunks: HashMap<CompactString, TrunkRole>,
    diverted_outside: Option<DivertedOutside>,
}

impl Roles {
    fn new(config: &config::Roles) -> Roles {
        Roles {
            stations: config.stations.iter().map(|(name, role)| (name.as_str().into(), *role)).collect(),
            trunks: config.trunks.iter().map(|(name, role)| (name.as_str().into(), *role)).collect(),
            diverted_outside: config.diverted_outside,
        }
    }
}

/// Roles and ownership, from the configuration.
#[derive(Debug, Clone)]
pub struct Site {
    everywhere: Roles,
    /// What a source says of its own stations and trunks goes before what is said of all.
    by_source: HashMap<u16, Roles>,
    /// Files, and the sources whose PBX wrote them.
    files: HashMap<u16, u16>,
    shares: Vec<Share>,
}

fn words(list: &[String]) -> Vec<CompactString> {
    list.iter().map(|word| word.as_str().into()).collect()
}

impl Site {
    /// From the configuration. `ids` are the numbers of the sources by name; what is said of a source that is not
    /// among them is said of nothing.
    pub fn new(config: &Config, ids: &HashMap<String, u16>) -> Site {
        let numbers = |names: &[Spanned<String>]| {
            let numbers = || names.iter().filter_map(|name| ids.get(name.get_ref()).copied()).collect();
            (!names.is_empty()).then(numbers)
        };
        let practices = config.practice.iter().map(|practice| Share {
            owner: Owner::Practice {
                ods: practice.ods.get_ref().as_str().into(),
                site: practice.site.get_ref().as_str().into(),
            },
            sources: numbers(&practice.sources),
            ddis: words(&practice.ddis),
            trunks: words(&practice.trunks),
            groups: words(&practice.groups),
            // Alone it owns everything; so it does on sources that it names without saying which of their calls.
            unmatched: practice.unmatched
                || (config.practice.len() == 1 && config.other_tenant.is_empty())
                || (!practice.sources.is_empty() && practice.lists().iter().all(|list| list.is_empty())),
        });
        let tenants = config.other_tenant.iter().map(|tenant| Share {
            owner: Owner::Tenant(tenant.name.get_ref().as_str().into()),
            sources: numbers(&tenant.sources),
            ddis: words(&tenant.ddis),
            trunks: words(&tenant.trunks),
            groups: words(&tenant.groups),
            unmatched: tenant.unmatched
                || (!tenant.sources.is_empty() && tenant.lists().iter().all(|list| list.is_empty())),
        });
        let own = config.source.iter().filter_map(|source| {
            let id = ids.get(source.name.get_ref())?;
            Some((*id, Roles::new(&source.roles)))
        });
        Site {
            everywhere: Roles::new(&config.roles),
            by_source: own.collect(),
            files: HashMap::new(),
            shares: practices.chain(tenants).collect(),
        }
    }

    /// Says that `file` holds what the PBX of `source` printed.
    pub fn stands_for(&mut self, file: u16, source: u16) {
        self.files.insert(file, source);
    }

    /// The source whose PBX it is: of a file, the one that it stands for.
    pub fn pbx(&self, source: u16) -> u16 {
        self.files.get(&source).copied().unwrap_or(source)
    }

    /// What a station of a source is; staff unless the configuration says otherwise.
    pub fn station(&self, source: u16, name: &str) -> StationRole {
        let own = self.by_source.get(&self.pbx(source)).and_then(|roles| roles.stations.get(name));
        own.or_else(|| self.everywhere.stations.get(name)).copied().unwrap_or_default()
    }

    /// Whether some station of a source is a hunt group, as far as the configuration says.
    pub fn has_groups(&self, source: u16) -> bool {
        let own = self.by_source.get(&self.pbx(source)).into_iter();
        let roles = own.chain([&self.everywhere]).flat_map(|roles| roles.stations.values());
        roles.into_iter().any(|role| *role == StationRole::HuntGroup)
    }

    /// What a trunk of a source is; an exchange line unless the configuration says otherwise.
    pub fn trunk(&self, source: u16, name: &str) -> TrunkRole {
        let own = self.by_source.get(&self.pbx(source)).and_then(|roles| roles.trunks.get(name));
        own.or_else(|| self.everywhere.trunks.get(name)).copied().unwrap_or_default()
    }

    /// Who takes what a source's PBX passes on over an exchange line; somebody elsewhere unless the configuration says
    /// otherwise.
    pub fn diverted_outside(&self, source: u16) -> DivertedOutside {
        let own = self.by_source.get(&self.pbx(source)).and_then(|roles| roles.diverted_outside);
        own.or(self.everywhere.diverted_outside).unwrap_or_default()
    }

    /// Every station and every trunk that the configuration gives a role, with the source it is said of; nothing
    /// where it is said of all.
    pub fn given_roles(&self) -> impl Iterator<Item = (Option<u16>, Given<'_>)> {
        let all = std::iter::once((None, &self.everywhere));
        all.chain(self.by_source.iter().map(|(source, roles)| (Some(*source), roles))).flat_map(|(source, roles)| {
            let stations = roles.stations.keys().map(move |name| (source, Given::Station(name)));
            stations.chain(roles.trunks.keys().map(move |name| (source, Given::Trunk(name))))
        })
    }

    /// Whose call these legs are. The DDI decides before the group or station, and that before the trunk, since a
    /// shared trunk may carry anybody's call. Of several legs the first that says something decides: a call stays
    /// whose it was when it is transferred to a neighbour. What is on no list is for the one who says that it is his.
    pub fn owner(&self, legs: &[Leg]) -> Owner {
        self.owned(legs).0.map_or(Owner::Nobody, |share| share.owner.clone())
    }

    /// What decided whose call these legs are, in words.
    pub fn owner_by(&self, legs: &[Leg]) -> String {
        match self.owned(legs).1 {
            By::Ddi(ddi) => format!("the number {ddi} that was dialled"),
            By::Group(group) => format!("the group or station {group}"),
            By::Trunk(trunk) => format!("the line {trunk} it came on"),
            By::Unmatched if self.shares.len() == 1 => "being the only one that the configuration names".to_owned(),
            By::Unmatched => "being on nobody's list: such calls are this owner's".to_owned(),
            By::Nothing => "being on nobody's list, and no owner says that such calls are his".to_owned(),
        }
    }

    fn owned<'a>(&self, legs: &'a [Leg]) -> (Option<&Share>, By<'a>) {
        let first = |named: fn(&Leg) -> Option<&CompactString>, listed: fn(&Share) -> &[CompactString]| {
            legs.iter().find_map(|leg| {
                let name = named(leg)?;
                let of_source = |share: &&Share| share.speaks_of(self.pbx(leg.line.source));
                let share = self.shares.iter().filter(of_source).find(|share| listed(share).contains(name))?;
                Some((share, name))
            })
        };
        if let Some((share, ddi)) = first(|leg| leg.record.ddi.as_ref()?.own.as_ref(), |share| &share.ddis) {
            return (Some(share), By::Ddi(ddi));
        }
        if let Some((share, group)) = first(|leg| leg.record.extension.as_ref(), |share| &share.groups) {
            return (Some(share), By::Group(group));
        }
        if let Some((share, trunk)) = first(|leg| leg.record.trunk.as_ref(), |share| &share.trunks) {
            return (Some(share), By::Trunk(trunk));
        }
        let source = legs.first().map(|leg| self.pbx(leg.line.source));
        let unmatched = |share: &&Share| source.is_some_and(|source| share.unmatched && share.speaks_of(source));
        let share = self.shares.iter().find(unmatched);
        (share, if share.is_some() { By::Unmatched } else { By::Nothing })
    }
}

/// What decided whose call it is.
enum By<'a> {
    Ddi(&'a str),
    Group(&'a str),
    Trunk(&'a str),
    Unmatched,
    Nothing,
}
