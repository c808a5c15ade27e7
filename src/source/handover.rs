//! What outlives a restart of the daemon: listeners, links and the tty, put with whoever keeps them when they are opened
//! and taken up again by the next run.
//!
//! A descriptor is kept under a name that says what it is for: the way in, a digest of the settings that make it that
//! link and no other, and the link's number, which it has in every run. So a link whose source is gone or leads
//! elsewhere finds nobody and is closed, and after a kill, which leaves no word behind, the names are enough.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::accounting::Talk;
use super::conversation::ConversationState;
use super::{How, Spec};

/// Whoever keeps descriptors from one run to the next: the service manager.
pub trait Keep: Send + Sync {
    /// Keeps a copy of the descriptor under `name`.
    fn keep(&self, name: &str, descriptor: BorrowedFd<'_>);
    /// Closes what is kept under `name`, if anything is.
    fn forget(&self, name: &str);
}

/// Where a link stands, beside its descriptor and the line that is half read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LinkState {
    /// On a serial port: inside a mark of the kernel's.
    pub(super) marks: super::Marks,
    /// On a link with a log-in: where the conversation stands.
    pub(super) login: Option<ConversationState>,
    /// On the link of an OmniPCX Enterprise: what has been heard.
    pub(super) accounting: Option<Talk>,
}

/// What earlier runs left, and where to leave what is opened. The default keeps nothing: links end with the process.
#[derive(Clone, Default)]
pub struct Handover(Option<Arc<Shelf>>);

struct Shelf {
    keeper: Box<dyn Keep>,
    found: Mutex<BTreeMap<String, OwnedFd>>,
    states: Mutex<HashMap<u64, LinkState>>,
}

impl std::fmt::Debug for Handover {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let found = self.0.as_ref().map(|shelf| locked(&shelf.found).keys().cloned().collect::<Vec<_>>());
        to.debug_tuple("Handover").field(&found).finish()
    }
}

impl Handover {
    /// Descriptors are kept by `keeper`; `found` are those of the run before by name, and `states` where its links stood
    /// when it was told to stop. After a kill there are none.
    pub fn new(
        keeper: Box<dyn Keep>,
        found: impl IntoIterator<Item = (String, OwnedFd)>,
        states: HashMap<u64, LinkState>,
    ) -> Handover {
        let found = Mutex::new(found.into_iter().collect());
        Handover(Some(Arc::new(Shelf { keeper, found, states: Mutex::new(states) })))
    }

    /// The numbers of the links that are there for a source, and not taken up yet.
    pub fn links_of(&self, spec: &Spec) -> Vec<u64> {
        let Some(shelf) = &self.0 else { return Vec::new() };
        let mark = mark(spec);
        locked(&shelf.found).keys().filter_map(|name| number(name, &mark)).collect()
    }

    /// Whether descriptors are kept, so that links need not end with the process.
    pub(super) fn keeps(&self) -> bool {
        self.0.is_some()
    }

    pub(super) fn keep(&self, name: &str, descriptor: impl AsFd) {
        if let Some(shelf) = &self.0 {
            shelf.keeper.keep(name, descriptor.as_fd());
        }
    }

    pub(super) fn forget(&self, name: &str) {
        if let Some(shelf) = &self.0 {
            shelf.keeper.forget(name);
        }
    }

    pub(super) fn take_listener(&self, address: SocketAddr) -> Option<OwnedFd> {
        locked(&self.0.as_ref()?.found).remove(&listener_name(address))
    }

    /// Takes up the links of a source, the oldest first.
    pub(super) fn take_links(&self, mark: &str) -> Vec<(u64, OwnedFd)> {
        let Some(shelf) = &self.0 else { return Vec::new() };
        let mut found = locked(&shelf.found);
        let mut numbers: Vec<u64> = found.keys().filter_map(|name| number(name, mark)).collect();
        numbers.sort_unstable();
        numbers.into_iter().filter_map(|number| Some((number, found.remove(&link_name(mark, number))?))).collect()
    }

    /// Where a link stood; nothing when nobody could say.
    pub(super) fn take_state(&self, number: u64) -> Option<LinkState> {
        locked(&self.0.as_ref()?.states).remove(&number)
    }

    /// Closes what nobody has taken up: its source is gone, or has other settings.
    pub(super) fn close_the_rest(&self) {
        let Some(shelf) = &self.0 else { return };
        for (name, descriptor) in std::mem::take(&mut *locked(&shelf.found)) {
            tracing::info!(name, "a descriptor of the run before belongs to no source any more and is closed");
            shelf.keeper.forget(&name);
            drop(descriptor);
        }
    }
}

fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the names of a source's links begin with: the way in, and a digest of what makes its links its own.
pub(super) fn mark(spec: &Spec) -> String {
    let (way, place) = match &spec.how {
        How::Serial(serial) => ("serial", serial.path.display().to_string()),
        How::Connect(tcp) => ("connect", format!("{} {}", tcp.host, tcp.port)),
        How::Listen(tcp) => ("listen", tcp.address.to_string()),
        // Nothing of these is kept: what is in a folder stays there, and what comes by TFTP comes again.
        How::Folder(folder) => ("folder", folder.path.display().to_string()),
        How::Tftp(udp) => ("tftp", udp.address.to_string()),
    };
    format!("{way}-{}", digest(&format!("{}\0{place}\0{:?}", spec.name, spec.login)))
}

pub(super) fn link_name(mark: &str, number: u64) -> String {
    format!("{mark}-{number}")
}

pub(super) fn listener_name(address: SocketAddr) -> String {
    format!("listener-{}", digest(&address.to_string()))
}

fn number(name: &str, mark: &str) -> Option<u64> {
    name.strip_prefix(mark)?.strip_prefix('-')?.parse().ok()
}

/// Names may not hold colons or control characters, and go through the environment: so no setting stands in one.
fn digest(text: &str) -> String {
    let hash: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
