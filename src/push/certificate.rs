//! What is read of certificates that TLS has verified: until when they are good, and the names that they give.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SET: u8 = 0x31;
const OBJECT_IDENTIFIER: u8 = 0x06;
const OCTET_STRING: u8 = 0x04;
const UTF8_STRING: u8 = 0x0c;
const PRINTABLE_STRING: u8 = 0x13;
const IA5_STRING: u8 = 0x16;
const EXTENSIONS: u8 = 0xa3;
/// A general name that is a URI.
const URI: u8 = 0x86;
/// 2.5.4.3
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// 2.5.29.17
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];

/// The end of a certificate's validity (RFC 5280, section 4.1.2.5), from its DER; nothing for what is no certificate. The
/// certificate has been verified before: here it is only read.
pub fn good_until(der: &[u8]) -> Option<Timestamp> {
    let (_, certificate, _) = element(der).filter(|(tag, ..)| *tag == SEQUENCE)?;
    let (_, mut rest, _) = element(certificate).filter(|(tag, ..)| *tag == SEQUENCE)?;
    if let Some((VERSION, _, after)) = element(rest) {
        rest = after;
    }
    // Serial number, algorithm, issuer; then the validity.
    for _ in 0..3 {
        rest = element(rest)?.2;
    }
    let (_, validity, _) = element(rest).filter(|(tag, ..)| *tag == SEQUENCE)?;
    let (_, _, rest) = element(validity)?;
    let (tag, time, _) = element(rest)?;
    let text = std::str::from_utf8(time).ok()?.strip_suffix('Z')?;
    let full = match tag {
        GENERALIZED_TIME => text.to_owned(),
        // Two digits of the year: 50 is 1950 (RFC 5280, section 4.1.2.5.1).
        UTC_TIME => format!("{}{text}", if text.get(..2)? < "50" { "20" } else { "19" }),
        _ => return None,
    };
    let civil = DateTime::strptime("%Y%m%d%H%M%S", full).ok()?;
    civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

/// The names that a certificate gives its holder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// The subject's common name, the last where there are several.
    pub common_name: Option<String>,
    /// URIs of the subject's alternative names.
    pub uris: Vec<String>,
}

/// The names in a certificate's DER (RFC 5280, sections 4.1.2.6 and 4.2.1.6). Like [`good_until`] it reads what TLS has
/// verified before.
pub fn names(der: &[u8]) -> Names {
    let mut names = Names::default();
    let Some(fields) = fields(der) else { return names };
    if let Some((SEQUENCE, subject)) = fields.first() {
        names.common_name = common_name(subject);
    }
    if let Some((_, extensions)) = fields.iter().find(|(tag, _)| *tag == EXTENSIONS) {
        names.uris = uris(extensions);
    }
    names
}

/// What of the certificate follows its validity: subject, key, extensions.
fn fields(der: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let (_, certificate, _) = element(der).filter(|(tag, ..)| *tag == SEQUENCE)?;
    let (_, rest, _) = element(certificate).filter(|(tag, ..)| *tag == SEQUENCE)?;
    let all: Vec<(u8, &[u8])> = elements(rest).collect();
    let before = if all.first()?.0 == VERSION { 5 } else { 4 };
    Some(all.get(before..)?.to_vec())
}

fn elements(mut rest: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (tag, content, after) = element(rest)?;
        rest = after;
        Some((tag, content))
    })
}

/// The common name in a distinguished name: sets of pairs of a type and a text.
fn common_name(name: &[u8]) -> Option<String> {
    let pairs = elements(name).filter(|(tag, _)| *tag == SET).flat_map(|(_, set)| elements(set));
    let texts = pairs.filter_map(|(_, pair)| {
        let mut parts = elements(pair);
        let (kind, (tag, text)) = (parts.next()?, parts.next()?);
        let is_text = matches!(tag, UTF8_STRING | PRINTABLE_STRING | IA5_STRING);
        (kind == (OBJECT_IDENTIFIER, COMMON_NAME) && is_text).then(|| std::str::from_utf8(text).ok())?
    });
    texts.last().map(str::to_owned)
}

fn uris(extensions: &[u8]) -> Vec<String> {
    let each = elements(extensions).flat_map(|(_, list)| elements(list));
    let of_subject = each.filter_map(|(_, extension)| {
        let parts: Vec<(u8, &[u8])> = elements(extension).collect();
        let is_ours = parts.first() == Some(&(OBJECT_IDENTIFIER, SUBJECT_ALT_NAME));
        parts.last().filter(|(tag, _)| is_ours && *tag == OCTET_STRING).map(|(_, value)| *value)
    });
    let names =
        of_subject.flat_map(|value| elements(value).next().map(|(_, names)| elements(names)).into_iter().flatten());
    names
        .filter(|(tag, _)| *tag == URI)
        .filter_map(|(_, uri)| std::str::from_utf8(uri).ok().map(str::to_owned))
        .collect()
}

/// Tag, content and what follows of the first element.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, mut rest) = rest.split_first()?;
    let length = match first {
        short @ 0..=0x7f => usize::from(*short),
        long @ 0x81..=0x84 => {
            let (bytes, after) = rest.split_at_checked(usize::from(long & 0x7f))?;
            rest = after;
            bytes.iter().fold(0, |length, byte| (length << 8) | usize::from(*byte))
        }
        _ => return None,
    };
    let (content, after) = rest.split_at_checked(length)?;
    Some((*tag, content, after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn made(until: (i32, u8, u8)) -> Vec<u8> {
        let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(until.0, until.1, until.2);
        params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn the_end_is_read_from_real_certificates() {
        for (until, said) in [((2026, 12, 24), "2026-12-24T00:00:00Z"), ((2099, 1, 31), "2099-01-31T00:00:00Z")] {
            assert_eq!(good_until(&made(until)).unwrap().to_string(), said);
        }
    }

    #[test]
    fn names_are_the_holders_and_not_the_authoritys() {
        let named = |name: &str| {
            let mut params = rcgen::CertificateParams::default();
            params.distinguished_name = rcgen::DistinguishedName::new();
            params.distinguished_name.push(rcgen::DnType::OrganizationName, "the organisation");
            params.distinguished_name.push(rcgen::DnType::CommonName, name);
            params
        };
        let authority =
            rcgen::CertifiedIssuer::self_signed(named("authority"), rcgen::KeyPair::generate().unwrap()).unwrap();
        let mut params = named("smdrd-one");
        params.subject_alt_names = vec![
            rcgen::SanType::DnsName("box.example".try_into().unwrap()),
            rcgen::SanType::URI("urn:smdrd:device:smdrd-two".try_into().unwrap()),
        ];
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&rcgen::KeyPair::generate().unwrap(), &authority).unwrap();
        let expected = Names { common_name: Some("smdrd-one".into()), uris: vec!["urn:smdrd:device:smdrd-two".into()] };
        assert_eq!(names(certificate.der()), expected);
        let mut bare = rcgen::CertificateParams::default();
        bare.distinguished_name = rcgen::DistinguishedName::new();
        let bare = bare.signed_by(&rcgen::KeyPair::generate().unwrap(), &authority).unwrap();
        assert_eq!(names(bare.der()), Names::default());
    }

    proptest! {
        #[test]
        fn what_is_no_certificate_is_nothing(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0_usize..600, at in 0_usize..600) {
            let _ = (good_until(&bytes), names(&bytes));
            let mut certificate = made((2030, 1, 1));
            prop_assert!(good_until(&certificate[..cut.min(60)]).is_none());
            let at = at % certificate.len();
            certificate[at] ^= 0x55;
            let _ = (good_until(&certificate), names(&certificate));
        }
    }
}
