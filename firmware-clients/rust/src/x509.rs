//! As much of a certificate as TLS needs here (RFC 5280 section 4.1). Nothing is trusted that
//! it says: what is wrong fails when the chain is checked.

/// The time from which on it is valid, in Unix seconds, and its SubjectPublicKeyInfo.
pub(crate) struct Read<'a> {
    pub not_before: u64,
    pub public_key: &'a [u8],
}

const SEQUENCE: u8 = 0x30;

pub(crate) fn read(certificate: &[u8]) -> Option<Read<'_>> {
    let (mut tbs, _) = inside(certificate, SEQUENCE)?;
    tbs = inside(tbs, SEQUENCE)?.0;
    if tbs.first() == Some(&0xa0) {
        tbs = skip(tbs)?; // version
    }
    let from = |tbs| skip(skip(skip(tbs)?)?); // serial number, signature, issuer
    let (validity, rest) = inside(from(tbs)?, SEQUENCE)?;
    let public_key_on = skip(rest)?; // subject
    let length = public_key_on.len() - skip(public_key_on)?.len();
    Some(Read { not_before: time(validity)?, public_key: &public_key_on[..length] })
}

/// The content of the first element, which has this tag, and what is behind it.
fn inside(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&first, &second) = (der.first()?, der.get(1)?);
    let (start, length) = match second {
        0..=0x7f => (2, usize::from(second)),
        0x81..=0x83 => {
            let n = usize::from(second & 0x7f);
            (2 + n, der.get(2..2 + n)?.iter().fold(0, |sum, b| sum << 8 | usize::from(*b)))
        }
        _ => return None,
    };
    let content = der.get(start..start + length)?;
    Some((content, &der[start + length..])).filter(|_| first == tag)
}

fn skip(der: &[u8]) -> Option<&[u8]> {
    inside(der, *der.first()?).map(|(_, rest)| rest)
}

/// A UTCTime (YYMMDDhhmmssZ) or GeneralizedTime (YYYYMMDDhhmmssZ) in Unix seconds.
fn time(der: &[u8]) -> Option<u64> {
    let (digits, century) = match der.first()? {
        0x17 => (inside(der, 0x17)?.0, true),
        _ => (inside(der, 0x18)?.0, false),
    };
    let text = std::str::from_utf8(digits).ok()?.strip_suffix('Z')?;
    if !text.bytes().all(|b| b.is_ascii_digit()) || text.len() != if century { 12 } else { 14 } {
        return None;
    }
    let (year, rest) = text.split_at(if century { 2 } else { 4 });
    let mut year: u64 = year.parse().ok()?;
    if century {
        year += if year < 50 { 2000 } else { 1900 };
    }
    let part = |n: usize| rest[2 * n..2 * n + 2].parse::<u64>().ok();
    let (month, day) = (part(0)?, part(1)?);
    if year < 1970 || !(1..=12).contains(&month) || day < 1 {
        return None;
    }
    // Days since 1970 of the proleptic Gregorian calendar, years beginning in March.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468;
    Some(days * 86400 + part(2)? * 3600 + part(3)? * 60 + part(4)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn der(tag: u8, text: &str) -> Vec<u8> {
        [&[tag, text.len() as u8], text.as_bytes()].concat()
    }

    #[test]
    fn times() {
        let cases = [
            (0x17, "700101000000Z", Some(0)),
            (0x17, "260228235959Z", Some(1_772_323_199)),
            (0x17, "491231235959Z", Some(2_524_607_999)),
            (0x18, "20000229120000Z", Some(951_825_600)),
            (0x18, "20500101000000Z", Some(2_524_608_000)),
            (0x17, "500101000000Z", None), // 1950
            (0x17, "701301000000Z", None),
            (0x17, "7001010000Z", None),
            (0x17, "700101000000+0100", None),
            (0x18, "+0000101000000Z", None),
            (0x05, "", None),
        ];
        for (tag, text, want) in cases {
            assert_eq!(time(&der(tag, text)), want, "{}", text);
        }
    }

    #[test]
    fn what_is_no_certificate() {
        for bad in [&b""[..], b"\x30", b"\x30\x80", b"\x30\x84\xff\xff\xff\xff", b"\x30\x02\x30\x00", b"\x30\x7f\x30"] {
            assert!(read(bad).is_none(), "{:?}", bad);
        }
    }
}
