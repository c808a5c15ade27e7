//! The dialects that smdrd brings along: embedded texts, each read when it is first asked for, so that a verb that needs
//! one dialect does not read them all.

use std::sync::OnceLock;

use super::fault::FileFault;
use super::library::Dialect;

/// A file, and what it says once it was read.
struct Shipped {
    id: &'static str,
    text: &'static str,
    notes: &'static str,
    dialect: OnceLock<Option<Dialect>>,
}

macro_rules! shipped {
    ($($id:literal),* $(,)?) => {
        [$(Shipped {
            id: $id,
            text: include_str!(concat!("../../config/dialects/", $id, ".toml")),
            // What only a person can write for the installer; without it the program does not build.
            notes: include_str!(concat!("../../docs/pbx/notes/", $id, ".md")),
            dialect: OnceLock::new(),
        }),*]
    };
}

static SHIPPED: [Shipped; 28] = shipped![
    "3cx",
    "aastra-400",
    "alcatel-oxe",
    "alcatel-oxo",
    "asterisk-csv",
    "avaya-cm",
    "avaya-ipoffice",
    "bt-versatility",
    "cisco-cme",
    "cisco-cucm",
    "ericsson-bp",
    "esi-ivx",
    "freeswitch-csv",
    "grandstream-ucm",
    "lg-ipecs",
    "mitel-3300",
    "mitel-5000",
    "mitel-sx200",
    "nec-sl-sv8100",
    "nec-sv8300",
    "nortel-bcm",
    "nortel-meridian",
    "panasonic-kx",
    "panasonic-tes",
    "samsung-officeserv",
    "siemens-hipath3000",
    "siemens-hipath4000",
    "toshiba-strata",
];

/// The dialect of this id.
pub(super) fn get(id: &str) -> Option<&'static Dialect> {
    let shipped = SHIPPED.iter().find(|shipped| shipped.id == id)?;
    shipped.dialect.get_or_init(|| Dialect::parse(id, shipped.text).ok()).as_ref()
}

/// What was written by hand for the installer of this PBX.
pub(super) fn notes(id: &str) -> Option<&'static str> {
    SHIPPED.iter().find(|shipped| shipped.id == id).map(|shipped| shipped.notes)
}

/// Every id, in order.
pub(super) fn ids() -> impl Iterator<Item = &'static str> {
    SHIPPED.iter().map(|shipped| shipped.id)
}

/// Every fault of every file, and a name that is not the id.
pub(super) fn faults() -> Vec<FileFault> {
    let mut faults = Vec::new();
    for Shipped { id, text, .. } in &SHIPPED {
        match Dialect::read(id, text) {
            Ok(dialect) if dialect.id == *id => {}
            Ok(dialect) => {
                let key = format!("id {:?}", dialect.id);
                let reason = "it is not the file's name".to_owned();
                faults.push(FileFault::at(id, text, &(0..0), key, reason, format!("Make it {id:?}")));
            }
            Err(found) => faults.extend(found),
        }
    }
    faults
}
