//! A stretch of what was printed before, as the lines that wait repeat it so far.

/// For each line that waits, in order, the place of the line that it repeats; none where the stretch has a hole: what was lost
/// when it was printed first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Stretch(Vec<Option<usize>>);

impl Stretch {
    /// One that begins at this place, behind so many lines that wait and are none of it.
    pub(super) fn begins(place: usize, behind: usize) -> Stretch {
        Stretch(std::iter::repeat_n(None, behind).chain([Some(place)]).collect())
    }

    /// The same with one line more.
    pub(super) fn with(&self, place: usize) -> Stretch {
        Stretch(self.0.iter().copied().chain([Some(place)]).collect())
    }

    /// One line more; none of it where there is no place.
    pub(super) fn push(&mut self, place: Option<usize>) {
        self.0.push(place);
    }

    /// The place of a line that waits.
    pub(super) fn place(&self, index: usize) -> Option<usize> {
        self.0.get(index).copied().flatten()
    }

    /// The place of its last line.
    pub(super) fn last(&self) -> Option<usize> {
        self.0.iter().rev().copied().flatten().next()
    }

    /// The place of its last line among the first so many that wait.
    pub(super) fn last_of(&self, lines: usize) -> Option<usize> {
        self.0.iter().take(lines).rev().copied().flatten().next()
    }

    /// The place of its first line from this line on that waits.
    pub(super) fn next_from(&self, index: usize) -> Option<usize> {
        self.0.iter().skip(index).copied().flatten().next()
    }

    /// How many lines it has.
    pub(super) fn lines(&self) -> usize {
        self.0.iter().flatten().count()
    }

    /// The lines that stand in a row of at least `least`, none of which `other` has, each with its place.
    pub(super) fn beside(&self, other: &Stretch, least: usize) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        let mut run = Vec::new();
        for index in 0..=self.0.len() {
            match self.place(index).filter(|_| other.place(index).is_none()) {
                Some(place) => run.push((index, place)),
                None if run.len() >= least => found.append(&mut run),
                None => run.clear(),
            }
        }
        found
    }
}
