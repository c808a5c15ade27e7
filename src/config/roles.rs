//! What stations and trunks are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What stations and trunks are, where it is not the default (staff; exchange line).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Roles {
    /// Station number to role.
    #[serde(default)]
    pub stations: BTreeMap<String, StationRole>,
    /// Trunk as printed, to role.
    #[serde(default)]
    pub trunks: BTreeMap<String, TrunkRole>,
    /// Who takes a call that the PBX passes on over an exchange line. Default: somebody elsewhere.
    pub diverted_outside: Option<DivertedOutside>,
}

/// Who takes a call that comes in from outside and is passed on outside: the records show the line, and not whose
/// telephone is at its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DivertedOutside {
    /// Another organisation: such a call is dealt with in the menu (CBT002).
    #[default]
    Elsewhere,
    /// The practice's own people, on their mobiles: it is answered or missed like any other (CBT003, CBT004).
    Staff,
}

/// What a station is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StationRole {
    /// A person.
    #[default]
    Staff,
    /// A group that people answer.
    HuntGroup,
    /// A menu or announcement.
    AutoAttendant,
    /// A mailbox.
    Voicemail,
    /// A fax machine.
    Fax,
    /// An alarm line.
    Alarm,
    /// A lift telephone.
    Lift,
    /// A door station.
    Door,
}

/// What a trunk is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrunkRole {
    /// A line to the public network.
    #[default]
    Exchange,
    /// A line to another PBX of the same organisation.
    Tie,
    /// A door station.
    Door,
    /// Anything else that is not the public network.
    Other,
}
