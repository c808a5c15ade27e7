//! What a format may never show: the words of dialect files and of the day document, and what each means for whoever reads
//! the figures. Detection, guides, status and the document's reasons all speak from here.

/// Something that a format never shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lack {
    /// The word for it in `cannot`, as dialect files and the day document have it.
    pub word: &'static str,
    /// Why a figure is null, for `cbt.absent` of the day document.
    pub reason: &'static str,
    /// One sentence for a person: what is not shown, and what that does to the figures.
    pub sentence: &'static str,
}

/// All there are; `call` and `aggregate` turn them into null figures.
pub const LACKS: [Lack; 15] = [
    Lack {
        word: "unanswered",
        reason: "unanswered calls make no record on this PBX",
        sentence: "Calls that nobody answered leave no record, so the number of missed calls (CBT004) and of all calls \
                   (CBT001) is unknown.",
    },
    Lack {
        word: "ring",
        reason: "no ring time in this format",
        sentence: "No ring time is printed, so how long callers waited (CBT003, CBT004) is unknown.",
    },
    Lack {
        word: "talk",
        reason: "no talk time in this format",
        sentence: "No talk time is printed, so how long calls lasted (CBT007) and how many lines were in use at once is \
                   unknown.",
    },
    Lack {
        word: "callback",
        reason: "calls back are not shown in this PBX's records",
        sentence: "Booked call-backs are not shown: where callers can ask for one, call-backs (CBT005, CBT006) and the \
                   number of all calls (CBT001) are unknown.",
    },
    Lack {
        word: "internal",
        reason: "calls between stations make no record on this PBX",
        sentence: "Calls between extensions leave no record, so their number is unknown; figures of patients' calls do \
                   not need it.",
    },
    Lack {
        word: "hold",
        reason: "time on hold is not shown in this format",
        sentence: "Time on hold is not shown; talk times may include it, and no other figure needs it.",
    },
    Lack {
        word: "outbound",
        reason: "outgoing calls make no record in this format",
        sentence: "Outgoing calls leave no record, so their number, their length and how many lines were in use at once \
                   are unknown.",
    },
    Lack {
        word: "outbound-answer",
        reason: "answer of outgoing calls is not shown in this PBX's records",
        sentence: "Whether an outgoing call was answered is not shown, so calls made are counted and answered ones are \
                   unknown.",
    },
    Lack {
        word: "outbound-talk",
        reason: "talk time of outgoing calls is not shown in this PBX's records",
        sentence: "How long was spoken in an outgoing call is not shown, so the length of outgoing calls is unknown.",
    },
    Lack {
        word: "voicemail",
        reason: "voicemail cannot be told from a person in this format",
        sentence: "Voicemail cannot be told from a person, so calls that it took may count as answered unless its \
                   extension has the role voicemail, and how many missed calls reached it is unknown.",
    },
    Lack {
        word: "auto-attendant",
        reason: "the menu cannot be told from a person in this format",
        sentence: "The menu cannot be told from a person: where the site has one, calls that ended in it (CBT002) and \
                   the number of all calls (CBT001) are unknown.",
    },
    Lack {
        word: "date",
        reason: "the date is not printed in full in this format",
        sentence: "The date is not printed in full; what is missing is taken from the day on which the line came, so \
                   old files need to be told their year.",
    },
    Lack {
        word: "inbound",
        reason: "incoming calls make no record on this PBX",
        sentence: "Incoming calls leave no record that says so, so every figure of patients' calls is unknown.",
    },
    Lack {
        word: "transfer",
        reason: "transfers are not shown in this format",
        sentence: "Transfers are not shown, so a call that was passed on looks like any other, or like two.",
    },
    Lack {
        word: "cli",
        reason: "callers' numbers are not shown in this PBX's records",
        sentence: "Callers' numbers are not printed, so repeat calls are unknown.",
    },
];

/// The words of [`LACKS`], in the same order.
pub const CANNOT: [&str; LACKS.len()] = {
    let mut words = [""; LACKS.len()];
    let mut rest: &[Lack] = &LACKS;
    let mut left: &mut [&str] = &mut words;
    while let ([first, others @ ..], [word, words @ ..]) = (rest, left) {
        *word = first.word;
        rest = others;
        left = words;
    }
    words
};

impl Lack {
    /// What a word of `cannot` means; nothing for a word that figures do not know.
    pub fn of(word: &str) -> Option<&'static Lack> {
        LACKS.iter().find(|lack| lack.word == word)
    }
}

/// The sentences for these words, in their order; a word that figures do not know stands for itself.
pub fn sentences<'a>(words: impl IntoIterator<Item = &'a str>) -> impl Iterator<Item = &'a str> {
    words.into_iter().map(|word| Lack::of(word).map_or(word, |lack| lack.sentence))
}

#[cfg(test)]
mod tests {
    use super::{CANNOT, LACKS, Lack, sentences};

    #[test]
    fn every_word_has_a_reason_and_one_sentence_of_its_own() {
        for (lack, word) in LACKS.iter().zip(CANNOT) {
            assert_eq!(lack.word, word);
            assert_eq!(Lack::of(word), Some(lack), "{word} stands twice");
            let Lack { reason, sentence, .. } = lack;
            assert!(!reason.is_empty() && !reason.ends_with('.') && !reason.starts_with(char::is_uppercase), "{word}");
            assert!(sentence.starts_with(char::is_uppercase) && sentence.ends_with('.'), "{word}: {sentence}");
            assert!(!sentence.trim_end_matches('.').contains(". "), "{word} has more than one sentence");
            assert!(!sentence.contains("  "), "{word}: {sentence}");
            assert_eq!(LACKS.iter().filter(|other| other.sentence == *sentence || other.reason == *reason).count(), 1);
        }
    }

    #[test]
    fn a_word_that_nobody_knows_stands_for_itself() {
        assert_eq!(sentences(["weather"]).collect::<Vec<_>>(), ["weather"]);
        assert_eq!(sentences(["ring"]).collect::<Vec<_>>(), [Lack::of("ring").map(|lack| lack.sentence).unwrap_or("")]);
    }
}
