//! Files of drop folders on their way through the daemon: what is stored of them, and which are in the way.

use super::desk::Desk;
use crate::source::Ledger;

/// The way for sources to the marks that are committed. An errand may be run while a commit is being tried again: so it
/// is the database that is asked, not the errand's place behind what was told.
pub(super) fn ledger(desk: &Desk) -> Ledger {
    let desk = desk.clone();
    Ledger::new(move || {
        let desk = desk.clone();
        async move {
            match desk.with(|keeper| keeper.store.read().file_marks()).await? {
                Ok(marks) => Some(marks),
                Err(error) => {
                    tracing::error!(%error, "what is stored of files cannot be read");
                    None
                }
            }
        }
    })
}

/// Takes up which files of the source called `name` are in the way.
pub(super) async fn in_the_way(desk: &Desk, name: &str, source: u16, problems: Vec<String>) {
    for problem in &problems {
        tracing::warn!(source = name, "{problem}");
    }
    if problems.is_empty() {
        tracing::info!(source = name, "no file is in the way any more");
    }
    desk.with(move |keeper| drop(keeper.files_in_the_way.insert(source, problems))).await;
}
