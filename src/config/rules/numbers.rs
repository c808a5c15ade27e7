//! What is the practice's own, and how calls may be linked. What stands here is kept in clear, so nothing may slip in
//! that could be a patient's number.

use crate::config::Config;
use crate::config::check::Findings;

/// More numbers than any practice has been given in one block. A wider range would keep patients' numbers in clear.
const WIDEST: u64 = 10_000;

pub fn check(config: &Config, findings: &mut Findings<'_>) {
    for (index, own) in config.numbers.own.iter().enumerate() {
        if let Err((reason, remedy)) = range(own.get_ref()) {
            findings.fault(&format!("numbers.own[{index}]"), reason, remedy);
        }
    }
    if config.numbers.own.is_empty() && !config.source.is_empty() {
        let reason = "the practice's own numbers are not given: dialled numbers longer than 6 digits are masked";
        findings.warn("numbers.own", reason, "add `own = [\"01632960100-01632960199\"]` under [numbers]");
    }
    for (index, access) in config.numbers.access_digits.iter().enumerate() {
        let access = access.get_ref();
        if !(1..=3).contains(&access.len()) || !access.bytes().all(|byte| byte.is_ascii_digit()) {
            let remedy = "write what is dialled for an outside line, such as \"9\"";
            findings.fault(&format!("numbers.access-digits[{index}]"), "not one to three digits", remedy);
        }
    }
    for (index, code) in config.numbers.short_codes.iter().enumerate() {
        let digits = code.bytes().filter(u8::is_ascii_digit).count();
        let path = format!("numbers.short-codes[{index}]");
        if code.is_empty() || !code.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'*' | b'#')) {
            findings.fault(&path, "a short code has only digits, `*` and `#`", "write it as it is dialled");
        } else if digits > 6 {
            let reason = "more than six digits: this could be somebody's number, and would be kept in clear";
            findings.fault(&path, reason, "put the practice's own numbers under `own`, and nobody else's anywhere");
        }
    }
    linkage(config.privacy.linkage.get_ref(), findings);
}

fn range(text: &str) -> Result<(), (String, String)> {
    let plain = text.replace(' ', "");
    if plain.matches('-').count() > 1 {
        let remedy = "write the first and last number with one hyphen between, and none inside a number";
        return Err(("more than one hyphen".into(), remedy.into()));
    }
    let (first, last) = plain.split_once('-').unwrap_or((&plain, &plain));
    for end in [first, last] {
        national(end)?;
    }
    if first.len() != last.len() {
        let reason = format!("the first number has {} digits and the last {}", first.len(), last.len());
        return Err((reason, "write both in full".into()));
    }
    let (Ok(low), Ok(high)) = (first.parse::<u64>(), last.parse::<u64>()) else {
        return Err(("not a number".into(), "write it in national form, such as \"01632960100\"".into()));
    };
    if low > high {
        return Err(("the first number is after the last".into(), format!("write \"{last}-{first}\"")));
    }
    let wide = high - low + 1;
    if wide > WIDEST {
        let reason = format!("{wide} numbers: other people's numbers would be kept in clear as the practice's own");
        return Err((reason, format!("give only the numbers of the practice; a range may hold {WIDEST}")));
    }
    Ok(())
}

/// One number, in national form.
fn national(number: &str) -> Result<(), (String, String)> {
    let abroad = number.strip_prefix("+44").or_else(|| number.strip_prefix("0044"));
    if let Some(rest) = abroad {
        let rest = rest.trim_start_matches("(0)").trim_start_matches('0');
        return Err(("not in national form".into(), format!("write 0{rest}")));
    }
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err((
            "not a number or a range of numbers".into(),
            "write \"01632960100\" or \"01632960100-01632960199\"".into(),
        ));
    }
    if !number.starts_with('0') {
        return Err((
            "not in national form: no leading 0".into(),
            "write the area code too, such as \"01632960100\"; stations and short codes do not belong here".into(),
        ));
    }
    if !(10..=11).contains(&number.len()) {
        let reason = format!("{} digits; a number of the United Kingdom has 10 or 11", number.len());
        return Err((reason, "write it in full, in national form".into()));
    }
    Ok(())
}

fn linkage(linkage: &str, findings: &mut Findings<'_>) {
    match linkage {
        "none" | "day" => {}
        window if window.starts_with("window") => {
            let reason = "linking over several days needs a key bound to a TPM, which this version does not have";
            findings.fault("privacy.linkage", reason, "write \"day\" (within one day) or \"none\"");
        }
        _ => findings.fault("privacy.linkage", "neither \"none\" nor \"day\"", "write \"day\", or \"none\""),
    }
}
