//! A stored line is a masked one: it must give what the line itself gave, save the numbers.

use smdrd::dialect::{Holds, Mark, Plan, What};
use smdrd::number::Number;
use smdrd::record::Record;

use super::corpus::{Framed, Run, corpus, run};

/// Masks as strictly as may be: every digit of a number but its class prefix is 0, every letter of a name or account A.
fn masked(line: &Framed, marks: &[Mark]) -> Framed {
    let mut bytes = line.bytes.clone();
    for mark in marks {
        let part = &mut bytes[usize::from(mark.start)..usize::from(mark.end)];
        match &mark.holds {
            Holds::Number(number) => {
                let prefix = ["+44", "00", "07", "0"].into_iter().find(|prefix| number.reveal().starts_with(prefix));
                let mut left = prefix.map_or(0, |prefix| prefix.bytes().filter(u8::is_ascii_digit).count());
                for byte in part.iter_mut().filter(|byte| byte.is_ascii_digit()) {
                    if left > 0 {
                        left -= 1;
                    } else {
                        *byte = b'0';
                    }
                }
            }
            Holds::Name | Holds::Account => {
                for byte in part {
                    *byte = match *byte {
                        b'0'..=b'9' => b'9',
                        b'A'..=b'Z' | b'a'..=b'z' => b'A',
                        other => other,
                    };
                }
            }
            Holds::Typed | Holds::Text => {}
        }
    }
    mask_untyped_runs(&mut bytes, marks);
    Framed { bytes, noise: line.noise }
}

/// In text, and in bytes without a mark, five digits or more are a number, blanks and hyphens between them left out.
fn mask_untyped_runs(bytes: &mut [u8], marks: &[Mark]) {
    let typed = |at: usize| {
        marks.iter().any(|mark| {
            (usize::from(mark.start)..usize::from(mark.end)).contains(&at) && !matches!(mark.holds, Holds::Text)
        })
    };
    let mut run: Vec<usize> = Vec::new();
    for at in 0..=bytes.len() {
        match bytes.get(at) {
            Some(byte) if byte.is_ascii_digit() && !typed(at) => run.push(at),
            Some(b' ' | b'-') if !run.is_empty() && !typed(at) => {}
            _ => {
                if run.len() >= 5 {
                    run.iter().for_each(|at| bytes[*at] = b'0');
                }
                run.clear();
            }
        }
    }
}

/// What a line came to, without the values of numbers, names and accounts.
fn bare(what: &What) -> What {
    let nothing = |record: &Record| {
        let mut record = record.clone();
        for number in [&mut record.cli, &mut record.ddi, &mut record.dialled].into_iter().flatten() {
            let zeros = "0".repeat(number.digits().max(1));
            *number = Number::parse(zeros.as_bytes()).unwrap();
        }
        record.account = None;
        Box::new(record)
    };
    match what {
        What::Record(record) => What::Record(nothing(record)),
        What::Event(Some(record)) => What::Event(Some(nothing(record))),
        other => other.clone(),
    }
}

pub fn assert_mask_holds(name: &str, plan: &Plan, lines: &[Framed]) {
    let first = run(plan, lines);
    // A line that is not understood is kept as a shape, not masked; it does not come back as a line.
    let unparsed = |no: u64| first.settled.iter().any(|(of, what)| *of == no && matches!(what, What::Unparsed { .. }));
    let kept: Vec<(Framed, &[Mark])> = (1..)
        .zip(lines.iter().zip(&first.marks))
        .filter(|(no, _)| !unparsed(*no))
        .map(|(_, (line, marks))| (line.clone(), marks.as_slice()))
        .collect();
    let plain: Vec<Framed> = kept.iter().map(|(line, _)| line.clone()).collect();
    let hidden: Vec<Framed> = kept.iter().map(|(line, marks)| masked(line, marks)).collect();
    let plain = run(plan, &plain);
    let hidden = run(plan, &hidden);
    let bare_all = |run: &Run| run.settled.iter().map(|(no, what)| (*no, bare(what))).collect::<Vec<_>>();
    for (ours, theirs) in bare_all(&plain).iter().zip(&bare_all(&hidden)) {
        assert_eq!(ours, theirs, "{name}");
    }
    assert_eq!(plain.settled.len(), hidden.settled.len(), "{name}");
}

#[test]
fn a_masked_line_reads_as_the_line_did() {
    for (name, plan, lines) in corpus() {
        assert_mask_holds(&name, &plan, &lines);
    }
}

#[test]
fn every_number_of_a_record_is_marked_on_a_line() {
    for (name, plan, lines) in corpus() {
        let run = run(&plan, &lines);
        let marked: Vec<&Number> = run
            .marks
            .iter()
            .flatten()
            .filter_map(|mark| match &mark.holds {
                Holds::Number(number) => Some(number),
                _ => None,
            })
            .collect();
        for record in run.records() {
            for number in [&record.cli, &record.ddi, &record.dialled].into_iter().flatten() {
                assert!(marked.contains(&number), "{name}: a number of {} digits has no mark", number.digits());
            }
        }
    }
}
