//! The dialogue on the terminal: a prompt, a command a line, and in the end the questions that are open.

use std::io::{BufRead as _, Write as _};

use super::{file, show};
use crate::dialect::learn::{Draft, KEYS, Kind, MEANINGS, Question};

/// Talks until the file is written. False when the installer left before that.
pub(super) fn until_written(draft: &mut Draft, place: &file::Place) -> bool {
    println!(
        "\nChange what is wrong, such as `3 type trunk` or `4 value I = inbound`; `help` has the commands, `done` goes on."
    );
    while let Some(line) = ask("learn") {
        match line.as_str() {
            "" => {}
            "help" => println!("{}", help()),
            "show" => print!("{}", show::columns(draft)),
            "check" => print!("{}", checked(draft)),
            "quit" => break,
            "done" => match finish(draft, place) {
                Some(true) => return true,
                Some(false) => {}
                None => break,
            },
            command => match draft.tell(command) {
                Ok(()) => print!("{}", changed(draft, command)),
                Err(what) => println!("{what}"),
            },
        }
    }
    println!("\nnothing was written");
    false
}

/// Reads one line behind a prompt; nothing at the end of input.
fn ask(prompt: &str) -> Option<String> {
    print!("{prompt}> ");
    let _ = std::io::stdout().flush();
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line).ok()?;
    (read > 0).then(|| line.trim().to_owned())
}

/// Asks what is open, checks, and writes. Nothing at the end of input; false when the installer wants to go back.
fn finish(draft: &mut Draft, place: &file::Place) -> Option<bool> {
    while let Some(question) = draft.questions().into_iter().next() {
        println!("\n{}", question.asks);
        let answer = ask(&prompt(&question))?;
        if answer == "back" {
            return Some(false);
        }
        if let Err(what) = draft.tell(&format!("{} {answer}", question.command)) {
            println!("{what}");
        }
    }
    print!("\n{}", checked(draft));
    let path = place.of(draft.id().unwrap_or_default());
    println!("\nWrite {}? yes, or back to go on changing", path.display());
    if ask("write")? != "yes" {
        return Some(false);
    }
    match place.write(draft) {
        Ok(said) => {
            print!("{said}");
            Some(true)
        }
        Err(what) => {
            println!("{what}");
            Some(false)
        }
    }
}

fn prompt(question: &Question) -> String {
    if question.answers.is_empty() {
        return question.command.clone();
    }
    format!("{} ({})", question.command, question.answers.join(" | "))
}

/// What the draft makes of all lines, or why it makes nothing.
pub(super) fn checked(draft: &Draft) -> String {
    match draft.check() {
        Ok(check) => show::check(&check),
        Err(faults) => faults.iter().map(|fault| fault.cited()).collect(),
    }
}

/// The column that a command changed; all of them where their numbers did.
fn changed(draft: &Draft, command: &str) -> String {
    let mut words = command.split_whitespace();
    let no = words.next().and_then(|word| word.parse().ok());
    match (no, words.next()) {
        (Some(_), Some("split" | "join")) => show::columns(draft),
        (Some(no), _) => show::column(draft, no),
        _ => String::new(),
    }
}

fn help() -> String {
    let kinds: Vec<&str> = Kind::ALL.iter().map(|(_, word)| *word).collect();
    format!(
        "N type TYPE [FORMAT]   {}\n\
         N format FORMAT        how a date, time or duration is printed: DD/MM/YY, hh:mm:ss, m'ss, seconds\n\
         N is WHAT              what it is to the record: {}, other-party, nothing\n\
         N value V = MEANING    what a value means; V* begins so, `blank` is none: {}\n\
         N name WORD            its name in the dialect file\n\
         N split COLUMN         cut it in two; the second part begins at COLUMN\n\
         N join                 join it with the next\n\
         N drop, N keep         leave it out, or not\n\
         stamp MOMENT           arrival, answer, end or unknown\n\
         calls WAY              of calls whose codes say nothing: inbound, outbound, internal or unknown\n\
         zero WHAT              a duration of 0 is: unanswered or unknown\n\
         id, name, zone TEXT    of the dialect; zone only where the format fixes one\n\
         cannot WORD, -WORD     what the format never shows, or does\n\
         page N                 line N, which is not understood, is page furniture\n\
         show, check            the columns; what is understood so far\n\
         done, quit             on to the open questions and the file; leave without one",
        kinds.join(", "),
        KEYS.join(", "),
        MEANINGS.join(", ")
    )
}
