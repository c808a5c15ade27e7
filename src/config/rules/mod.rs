//! The rules that types cannot hold, by part of the file.

pub mod alerts;
pub mod folder;
pub mod numbers;
pub mod place;
pub mod practice;
pub mod relay;
pub mod source;
pub mod supplier;

/// Whether `name` is a slug: lower-case letters, digits and single hyphens between them, at most 63 characters.
fn is_slug(name: &str) -> bool {
    let word = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    name.len() <= 63 && name.split('-').all(word)
}

/// The slug nearest to `name`; nothing when no letter or digit is left.
fn slug_of(name: &str) -> Option<String> {
    let plain: String = name.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let slug = plain.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-");
    is_slug(&slug).then_some(slug)
}

/// What to write instead of `name`, which is no slug.
fn slug_remedy(key: &str, name: &str) -> String {
    match slug_of(name) {
        Some(slug) => format!("write `{key} = \"{slug}\"`"),
        None => "use lower-case letters, digits and hyphens, at most 63".to_owned(),
    }
}
