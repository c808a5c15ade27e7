//! Until when a server's certificate is good: the one thing of it that is worth telling before it is too late.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

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

    proptest! {
        #[test]
        fn what_is_no_certificate_is_nothing(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0_usize..600, at in 0_usize..600) {
            let _ = good_until(&bytes);
            let mut certificate = made((2030, 1, 1));
            prop_assert!(good_until(&certificate[..cut.min(60)]).is_none());
            let at = at % certificate.len();
            certificate[at] ^= 0x55;
            let _ = good_until(&certificate);
        }
    }
}
