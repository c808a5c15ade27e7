//! Text from the other side, made fit for a log.

/// The most characters that are kept.
pub const LONGEST: usize = 300;

/// `text` cut to [`LONGEST`] characters, control characters as blanks, and every run of five or more digits (blanks and
/// hyphens between them ignored) as zeros, since it could be a telephone number. A run that is a date, `2026-11-20`,
/// is kept: its form is the proof.
pub fn legible(text: &str) -> String {
    let mut shown: Vec<char> =
        text.chars().take(LONGEST).map(|c| if c.is_control() || is_format(c) { ' ' } else { c }).collect();
    let mut at = 0;
    while at < shown.len() {
        if !shown[at].is_numeric() {
            at += 1;
            continue;
        }
        let mut end = at + 1;
        let mut next = end;
        while next < shown.len() && (shown[next].is_numeric() || is_separator(shown[next])) {
            next += 1;
            if shown[next - 1].is_numeric() {
                end = next;
            }
        }
        let run = &mut shown[at..end];
        if run.iter().filter(|c| c.is_numeric()).count() >= 5 && !is_date(run) {
            run.iter_mut().filter(|c| c.is_numeric()).for_each(|c| *c = '0');
        }
        at = next;
    }
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown.into_iter().collect()
}

fn is_separator(c: char) -> bool {
    c.is_whitespace() || matches!(c, '-' | '\u{2010}'..='\u{2015}')
}

/// Invisible characters that could turn or hide what stands beside them.
fn is_format(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn is_date(run: &[char]) -> bool {
    run.len() == 10
        && run.iter().enumerate().all(|(i, c)| if i == 4 || i == 7 { *c == '-' } else { c.is_ascii_digit() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_a_number_is_not_shown() {
        for (given, shown) in [
            ("line 1234 of 2026-11-20", "line 1234 of 2026-11-20"),
            ("caller 01632960123 unknown", "caller 00000000000 unknown"),
            ("caller 020 7946 0123.", "caller 000 0000 0000."),
            ("07700-900-123", "00000-000-000"),
            ("practice A81001", "practice A00000"),
            ("two\r\nlines\u{202e}", "two  lines "),
            ("٠١٢٣٤٥", "000000"),
        ] {
            assert_eq!(legible(given), shown);
        }
        assert_eq!(legible(&"x".repeat(2_000)).chars().count(), LONGEST + 1);
        assert_eq!(legible(&"1".repeat(2_000)), format!("{}…", "0".repeat(LONGEST)));
    }
}
