//! Which field of a JSON text an error is about.

use serde_json::Value;

use crate::aggregate::document::{DayDocument, Figures};

/// Reads a document, or says which field is wrong, as a JSON pointer, and why.
pub fn read_document(body: &[u8]) -> Result<DayDocument, (String, String)> {
    let error = match serde_json::from_slice::<DayDocument>(body) {
        Ok(document) => return Ok(document),
        Err(error) => error,
    };
    // A slot holds its figures beside its own fields, and what is wrong among them is seen only at the slot's end; read
    // on their own, they say more.
    if let [slots, index, ..] = path_at(body, offset(body, &error)).as_slice()
        && slots == "slots"
        && let Ok(value) = serde_json::from_slice::<Value>(body)
        && let Some(slot) = value.pointer(&format!("/slots/{index}")).map(Value::to_string)
        && let Err(error) = serde_json::from_str::<Figures>(&slot)
    {
        return Err((format!("/slots/{index}{}", pointer(slot.as_bytes(), &error)), reason(&error)));
    }
    Err((pointer(body, &error), reason(&error)))
}

/// The first field of `ours` that `given` does not have. An absent field is not a null one: what a PBX cannot say is
/// to be said.
pub fn absent(given: &Value, ours: &Value) -> Option<String> {
    match (given, ours) {
        (Value::Object(given), Value::Object(ours)) => ours.iter().find_map(|(key, ours)| match given.get(key) {
            None => Some(format!("/{}", escaped(key))),
            Some(given) => absent(given, ours).map(|rest| format!("/{}{rest}", escaped(key))),
        }),
        (Value::Array(given), Value::Array(ours)) => given
            .iter()
            .zip(ours)
            .enumerate()
            .find_map(|(index, (given, ours))| absent(given, ours).map(|rest| format!("/{index}{rest}"))),
        _ => None,
    }
}

/// The largest whole number that every reader of JSON reads as it is (RFC 8785, 3.2.2.3).
const LARGEST: u64 = (1 << 53) - 1;

/// The first field of `given` that was understood and is written otherwise than the schema says: an instant that is not in UTC,
/// a day with a time, a number that not every reader can hold. `ours` is what was understood.
pub fn misshapen(given: &Value, ours: &Value) -> Option<(String, String)> {
    let deeper = |part: &str, found: (String, String)| (format!("/{}{}", escaped(part), found.0), found.1);
    match (given, ours) {
        (Value::Object(given), Value::Object(ours)) => {
            ours.iter().find_map(|(key, ours)| misshapen(given.get(key)?, ours).map(|found| deeper(key, found)))
        }
        (Value::Array(given), Value::Array(ours)) => {
            let pairs = given.iter().zip(ours).enumerate();
            pairs
                .into_iter()
                .find_map(|(at, (given, ours))| misshapen(given, ours).map(|found| deeper(&at.to_string(), found)))
        }
        // Texts are kept as they are, but for days and instants.
        (Value::String(given), Value::String(ours)) if given != ours && !is_utc(given) => {
            Some((String::new(), format!("is not written as {ours:?} is")))
        }
        (Value::Number(_), Value::Number(ours)) if ours.as_u64().is_some_and(|number| number > LARGEST) => {
            Some((String::new(), format!("is {ours}, at most {LARGEST} can be read everywhere")))
        }
        _ => None,
    }
}

/// Whether it is an instant as RFC 3339 has it, in UTC, with a fraction of a second or without.
fn is_utc(text: &str) -> bool {
    let Some((whole, "Z")) = text.split_at_checked(text.len().saturating_sub(1)) else { return false };
    let (second, fraction) = whole.split_once('.').map_or((whole, None), |(second, fraction)| (second, Some(fraction)));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let shape = second.bytes().map(|byte| if byte.is_ascii_digit() { b'0' } else { byte });
    shape.eq(*b"0000-00-00T00:00:00") && fraction.is_none_or(digits)
}

/// The message without its position, which names a byte nobody will count.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}

fn pointer(body: &[u8], error: &serde_json::Error) -> String {
    let mut path = path_at(body, offset(body, error));
    if let Some(field) = error.to_string().strip_prefix("missing field `").and_then(|rest| rest.split('`').next()) {
        // Such an error is placed at the end of the object that lacks the field.
        path.push(field.to_owned());
    }
    path.iter().map(|part| format!("/{}", escaped(part))).collect()
}

fn escaped(part: &str) -> String {
    part.replace('~', "~0").replace('/', "~1")
}

fn offset(body: &[u8], error: &serde_json::Error) -> usize {
    let before: usize =
        body.split_inclusive(|byte| *byte == b'\n').take(error.line().saturating_sub(1)).map(<[u8]>::len).sum();
    (before + error.column()).min(body.len())
}

enum Level {
    Object(String),
    Array(usize),
}

/// The keys and indices that lead to the byte before `offset` of a JSON text.
fn path_at(body: &[u8], offset: usize) -> Vec<String> {
    let mut levels: Vec<Level> = Vec::new();
    let mut expects_key = false;
    let mut bytes = body.iter().take(offset);
    while let Some(byte) = bytes.next() {
        match byte {
            b'{' => {
                levels.push(Level::Object(String::new()));
                expects_key = true;
            }
            b'[' => {
                levels.push(Level::Array(0));
                expects_key = false;
            }
            b'}' | b']' => {
                levels.pop();
                expects_key = false;
            }
            b',' => match levels.last_mut() {
                Some(Level::Array(index)) => *index += 1,
                Some(Level::Object(_)) => expects_key = true,
                None => {}
            },
            b'"' => {
                let mut text = Vec::new();
                while let Some(byte) = bytes.next() {
                    match byte {
                        b'"' => break,
                        b'\\' => text.extend([Some(byte), bytes.next()].into_iter().flatten()),
                        _ => text.push(*byte),
                    }
                }
                if expects_key && let Some(Level::Object(key)) = levels.last_mut() {
                    *key = String::from_utf8_lossy(&text).into_owned();
                    expects_key = false;
                }
            }
            _ => {}
        }
    }
    levels
        .into_iter()
        .map(|level| match level {
            Level::Object(key) => key,
            Level::Array(index) => index.to_string(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn example() -> Value {
        serde_json::from_str(include_str!("../../tests/contract/day-document.example.json")).unwrap()
    }

    fn wrong(change: impl FnOnce(&mut Value)) -> String {
        let mut value = example();
        change(&mut value);
        let compact = read_document(value.to_string().as_bytes()).unwrap_err().0;
        let spread = read_document(serde_json::to_string_pretty(&value).unwrap().as_bytes()).unwrap_err().0;
        assert_eq!(compact, spread);
        compact
    }

    #[test]
    fn the_field_is_named() {
        assert_eq!(wrong(|v| v["revision"] = json!("one")), "/revision");
        assert_eq!(wrong(|v| v["practice"]["ods"] = json!(5)), "/practice/ods");
        assert_eq!(wrong(|v| v["sources"][0]["lines"] = json!(-1)), "/sources/0/lines");
        assert_eq!(wrong(|v| v["slots"][1]["inbound"]["missed"] = json!(2.5)), "/slots/1/inbound/missed");
        assert_eq!(wrong(|v| v["slots"][1]["observed_s"] = json!("all")), "/slots/1/observed_s");
        assert_eq!(
            wrong(|v| v["totals"]["inbound"]["answered_wait"][3] = json!(-1)),
            "/totals/inbound/answered_wait/3"
        );
        let drop =
            |v: &mut Value, of: &str, key: &str| drop(v.pointer_mut(of).unwrap().as_object_mut().unwrap().remove(key));
        assert_eq!(wrong(|v| drop(v, "", "totals")), "/totals");
        assert_eq!(wrong(|v| drop(v, "/slots/0/inbound", "calls_seen")), "/slots/0/inbound/calls_seen");
        assert_eq!(wrong(|v| drop(v, "/day", "start")), "/day/start");
    }

    #[test]
    fn a_field_is_written_as_the_schema_says() {
        let look = |change: fn(&mut Value)| {
            let mut given = example();
            change(&mut given);
            let ours = serde_json::to_value(read_document(given.to_string().as_bytes()).unwrap()).unwrap();
            misshapen(&given, &ours).map(|(pointer, _)| pointer)
        };
        assert_eq!(look(|_| ()), None);
        assert_eq!(look(|v| v["produced_at"] = json!("2026-11-21T00:41:07.50Z")), None);
        for other in ["2026-11-21T01:41:07+01:00", "2026-11-21 00:41:07Z", "20261121T004107Z", "2026-11-21T00:41Z"] {
            let mut given = example();
            given["slots"][1]["start"] = json!(other);
            let ours = serde_json::to_value(read_document(given.to_string().as_bytes()).unwrap()).unwrap();
            assert_eq!(misshapen(&given, &ours).unwrap().0, "/slots/1/start", "{other}");
        }
        assert_eq!(look(|v| v["date"] = json!("2026-11-20T00:00:00")).unwrap(), "/date");
        assert_eq!(look(|v| v["cbt"]["CBT006"] = json!(LARGEST)), None);
        assert_eq!(look(|v| v["cbt"]["CBT006"] = json!(LARGEST + 1)).unwrap(), "/cbt/CBT006");
    }

    #[test]
    fn a_field_that_may_be_null_may_not_be_absent() {
        let ours = serde_json::to_value(read_document(example().to_string().as_bytes()).unwrap()).unwrap();
        assert_eq!(absent(&example(), &ours), None);
        let mut given = example();
        given["slots"][1]["inbound"].as_object_mut().unwrap().remove("missed");
        let ours = serde_json::to_value(read_document(given.to_string().as_bytes()).unwrap()).unwrap();
        assert_eq!(absent(&given, &ours).unwrap(), "/slots/1/inbound/missed");
    }
}
