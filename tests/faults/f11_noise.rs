//! F11: what a bad cable, a wrong speed and a PBX that starts again put on a serial line.

use std::time::Duration;

use super::evidence::{figures, in_full, tries};
use super::promises::assert_kept;
use super::rig::{Rig, SITE, clock, wait_for};
use super::uart::{Format, Parity};
use super::wires::{Dice, Pty, all, numbered, numbers, serial};

const CLOCK: &str = "2026-11-20T15:00:00Z";

fn a_line() -> (Rig, Pty) {
    let line = Pty::new();
    let mut rig = Rig::new(SITE, &[]);
    rig.site += &serial("reception", "avaya-ipoffice", &line.path, "");
    (rig, line)
}

/// A byte as a kernel that marks errors passes it on.
fn sent(byte: u8) -> Vec<u8> {
    if byte == 0xFF { vec![0xFF, 0xFF] } else { vec![byte] }
}

#[test]
fn lines_around_noise_are_read_and_noise_is_counted() {
    let lines = tries(400, 20_000);
    let (rig, mut line) = a_line();
    let daemon = rig.run(&clock(CLOCK, 1));
    line.attended();
    line.send_marks();
    let mut dice = Dice(0x5EED_0011);
    let (mut stripped, mut errors) = (0, 0);
    for number in 1..=lines {
        let mut noise = Vec::new();
        match dice.below(8) {
            // A PBX that pads.
            1 => {
                let nuls = 1 + dice.below(200);
                noise.extend((0..nuls).map(|_| 0));
                stripped += nuls;
            }
            // It starts again: the line is low for a while.
            2 => {
                noise.extend([0xFF, 0, 0]);
                errors += 1;
            }
            // Bytes with a wrong parity, garbage beside them, and an end of line among it: the next line is itself again.
            3 => {
                for _ in 0..1 + dice.below(30) {
                    noise.extend([0xFF, 0, dice.byte() | 1]);
                    noise.extend(sent(dice.byte() | 0x80));
                    errors += 1;
                }
                noise.extend(b"\r\n");
            }
            // The same without an end: it takes the line that follows with it, and no other.
            4 => {
                for _ in 0..1 + dice.below(60) {
                    noise.extend(sent(dice.byte() | 0x80));
                }
                noise.extend(format!("{}\r\n", numbered(100_000 + number)).bytes());
            }
            _ => {}
        }
        line.send(&noise);
        line.send(format!("{}\r\n", numbered(number)).as_bytes());
    }
    wait_for("the last line", || (numbers(&rig, "reception").last() == Some(&lines)).then_some(()));
    // What reads like a record in a line that took noise with it would be one more.
    let expected: Vec<u32> = (1..=lines).collect();
    assert_eq!(numbers(&rig, "reception"), expected, "every line around the noise, and nothing that was none");
    wait_for("the counts", || {
        let wire = rig.status()["sources"][0]["wire"].clone();
        (wire["line_errors"] == errors && wire["stripped"].as_u64() >= Some(stripped)).then_some(())
    });
    let unparsed = rig.status()["lines"]["unparsed"].as_u64().unwrap();
    assert!(unparsed > 0);
    assert_kept(&rig, "", "after the noise");
    daemon.stop();
    figures(
        "F11 noise between lines",
        &format!("{lines} lines, {errors} bytes in error and breaks, {stripped} NULs, garbage with and without an end"),
        &format!("{lines} of {lines} clean lines read; {unparsed} pieces of noise counted"),
    );
}

#[test]
fn flipped_bits_take_their_own_line_and_no_other() {
    let lines = tries(800, 50_000);
    let (rig, mut line) = a_line();
    let daemon = rig.run(&clock(CLOCK, 1));
    line.attended();
    line.send_marks();
    let mut dice = Dice(0x5EED_0012);
    let (mut clean, mut flips, mut end_hit) = (Vec::new(), 0u64, false);
    for number in 1..=lines {
        let mut bytes = format!("{}\r\n", numbered(number)).into_bytes();
        // An end of line that was hit may join its line to the next.
        let mut hit = end_hit;
        end_hit = false;
        let length = bytes.len();
        for (at, byte) in bytes.iter_mut().enumerate() {
            for bit in 0..8 {
                if dice.below(10_000) == 0 {
                    *byte ^= 1 << bit;
                    flips += 1;
                    hit = true;
                    end_hit |= at + 2 >= length;
                }
            }
        }
        if !hit {
            clean.push(number);
        }
        line.send(&bytes.into_iter().flat_map(sent).collect::<Vec<u8>>());
    }
    // One more that nothing happens to, to end what the last may have left open.
    line.send(format!("\r\n{}\r\n", numbered(lines + 1)).as_bytes());
    wait_for("the last line", || (numbers(&rig, "reception").last() == Some(&(lines + 1))).then_some(()));
    let read = numbers(&rig, "reception");
    let lost: Vec<&u32> = clean.iter().filter(|number| !read.contains(number)).collect();
    assert!(lost.is_empty(), "clean lines that were not read: {lost:?}");
    assert!(clean.len() < lines as usize && flips > 0);
    assert_kept(&rig, "", "after flipped bits");
    daemon.stop();
    figures(
        "F11 flipped bits",
        &format!("{lines} lines, one bit in 10,000: {flips} flipped"),
        &format!("{} of {} untouched lines read", clean.len(), clean.len()),
    );
}

#[test]
fn a_wrong_speed_or_parity_is_told_by_what_comes() {
    let eight = |baud| Format { baud, data_bits: 8, parity: Parity::None };
    let seven = Format { baud: 9600, data_bits: 7, parity: Parity::Even };
    let mut formats = vec![seven, eight(19_200)];
    if in_full() {
        formats.extend([Format { parity: Parity::Odd, ..seven }, eight(1200), eight(4800), eight(2400)]);
    }
    for format in &formats {
        let (rig, mut line) = a_line();
        let daemon = rig.run(&clock(CLOCK, 1));
        line.attended();
        let mut next = 1;
        let problem = || {
            let problems = rig.status()["problems"].as_array().unwrap().clone();
            problems.iter().map(|one| one.as_str().unwrap().to_owned()).find(|one| one.contains("wrong speed"))
        };
        // The garbage of a slower line has no ends of lines in it: a silence of some seconds ends what has come.
        let pause = Duration::from_millis(if format.baud < 9600 { 4500 } else { 1500 });
        let said = wait_for(&format!("what {format:?} looks like"), || {
            line.send(&format.heard_at(9600, all(next, next + 5).as_bytes()));
            next += 5;
            let said = problem();
            if said.is_none() {
                std::thread::sleep(pause);
            }
            said
        });
        assert!(said.contains("smdrd detect") && said.contains("9600"), "{said}");
        assert_eq!(numbers(&rig, "reception"), Vec::<u32>::new(), "no call was made of it: {format:?}");
        // Put right, it goes away by itself; the first line may end what the garbage has left open.
        line.send(b"\r\n");
        line.send(all(next, next + 40).as_bytes());
        wait_for("the last line", || (numbers(&rig, "reception").last() == Some(&(next + 39))).then_some(()));
        assert_eq!(numbers(&rig, "reception"), (next..next + 40).collect::<Vec<_>>());
        assert_eq!(problem(), None);
        assert_kept(&rig, "", "after garbage");
        daemon.stop();
    }
    figures(
        "F11 wrong speed",
        &format!("{} wrong settings of a PBX's line", formats.len()),
        "each said in the status; no call made of garbage; all lines read once it was put right",
    );
}
