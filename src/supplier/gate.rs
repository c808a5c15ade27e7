//! The participation gate: what is taken is for practices that are on NHS England's list of the month.
//!
//! It is the list that `smdr-feed build` reads. Without one, everything is taken that its sender may send. A list that cannot
//! be used at the start ends the start; one that cannot be used later leaves the last good one in force.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{PoisonError, RwLock};

use jiff::Timestamp;

use super::monthly::lists::Participation;
use super::monthly::table::TableError;
use super::problem::{Kind, Problem};

/// The gate. Shut for a practice that is not on the list; open where there is no list.
#[derive(Debug, Default)]
pub struct Gate {
    list: Option<List>,
}

#[derive(Debug)]
struct List {
    path: PathBuf,
    column: String,
    read: RwLock<Read>,
}

#[derive(Debug)]
struct Read {
    practices: BTreeSet<String>,
    /// When the file was last written.
    written: Option<Timestamp>,
}

impl Gate {
    /// A gate that takes the practices in the named column of a list.
    pub fn of(path: PathBuf, column: String) -> Result<Gate, TableError> {
        let read = RwLock::new(read(&path, &column)?);
        Ok(Gate { list: Some(List { path, column, read }) })
    }

    /// Reads the list again, and says how many practices are on it; nothing where there is no list.
    pub fn read_again(&self) -> Result<Option<usize>, TableError> {
        let Some(List { path, column, read: held }) = &self.list else { return Ok(None) };
        let new = read(path, column)?;
        let practices = new.practices.len();
        *held.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(Some(practices))
    }

    /// Whether documents of a practice are taken. To be asked once the sender is known: who takes part is nobody else's
    /// business.
    pub fn admits(&self, ods: &str) -> Result<(), Problem> {
        if self.looked_at(|read| read.practices.contains(ods)).unwrap_or(true) {
            return Ok(());
        }
        let said = format!("practice {ods} is not on the participation list; keep its days, they are taken once it is");
        Err(Problem::new(Kind::NotParticipating, said))
    }

    /// How many practices are on the list.
    pub fn practices(&self) -> Option<usize> {
        self.looked_at(|read| read.practices.len())
    }

    /// Seconds since the list was written, as the file says.
    pub fn age_s(&self, now: Timestamp) -> Option<i64> {
        self.looked_at(|read| read.written).flatten().map(|written| now.duration_since(written).as_secs())
    }

    fn looked_at<T>(&self, look: impl FnOnce(&Read) -> T) -> Option<T> {
        let list = self.list.as_ref()?;
        Some(look(&list.read.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

fn read(path: &PathBuf, column: &str) -> Result<Read, TableError> {
    let Participation { practices, .. } = Participation::read(path, column)?;
    let written = std::fs::metadata(path).and_then(|data| data.modified()).ok();
    Ok(Read { practices, written: written.and_then(|written| written.try_into().ok()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_is_on_the_list_comes_in_and_a_bad_list_changes_nothing() {
        assert!(Gate::default().admits("A81001").is_ok(), "there is no list");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.csv");
        std::fs::write(&path, "Name,ODS_Code\nFirst, a81001 \n").unwrap();
        let gate = Gate::of(path.clone(), "ODS_Code".to_owned()).unwrap();
        assert!(gate.admits("A81001").is_ok());
        assert_eq!(gate.admits("A81002").unwrap_err().kind, Kind::NotParticipating);
        assert_eq!(gate.practices(), Some(1));
        assert!(gate.age_s(Timestamp::now()).unwrap() < 600);

        std::fs::write(&path, "Name,ODS_Code\nSecond,A81002\nThird,A8100\n").unwrap();
        let said = gate.read_again().unwrap_err().to_string();
        assert!(said.contains("line 3"), "{said}");
        assert!(gate.admits("A81001").is_ok() && gate.admits("A81002").is_err());
        std::fs::write(&path, "Name,ODS_Code\nSecond,A81002\n").unwrap();
        assert_eq!(gate.read_again().unwrap(), Some(1));
        assert!(gate.admits("A81001").is_err() && gate.admits("A81002").is_ok());
        assert!(Gate::of(path, "Code".to_owned()).is_err());
    }
}
