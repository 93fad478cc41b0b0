//! TLS for devices: the gateway's own CA is the only one that is trusted, and a device whose
//! clock stands in 1970 may leave out the calendar (feature `rustls`).

use crate::{
    error::{ConfigError, Error},
    net::Stream,
};
use data_encoding::BASE64;
use rustls::{
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        WebPkiServerVerifier,
    },
    crypto::{ring, CryptoProvider},
    pki_types::{CertificateDer, ServerName, UnixTime},
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error as TlsError, RootCertStore,
    SignatureScheme, StreamOwned,
};
use std::{io, sync::Arc, time::Duration};

/// Whom to trust over https.
#[derive(Clone, Debug)]
pub struct Tls {
    trust: Trust,
    calendar: bool,
}

#[derive(Clone, Debug)]
enum Trust {
    /// A CA's certificate, in PEM or DER.
    Ca(Vec<u8>),
    /// The SHA-256 of the public key of a CA that stands in the handshake's chain.
    Pin([u8; 32]),
}

impl Tls {
    /// Trusts one CA: what `GET /ca.crt` of the gateway gives, in PEM or DER.
    pub fn ca(certificate: impl Into<Vec<u8>>) -> Tls {
        Tls { trust: Trust::Ca(certificate.into()), calendar: true }
    }

    /// Trusts the CA whose public key (SubjectPublicKeyInfo) has this SHA-256, which
    /// `edgegw tls show` prints, and takes its certificate from the handshake.
    pub fn pin(sha256: [u8; 32]) -> Tls {
        Tls { trust: Trust::Pin(sha256), calendar: true }
    }

    /// Leaves out the calendar, for devices that do not know the date: chain, names and
    /// signatures are checked as always, but at a time at which the gateway's certificate
    /// is valid. Somebody who has stolen the key of a certificate that has expired is not
    /// found out then.
    pub fn without_calendar(mut self) -> Tls {
        self.calendar = false;
        self
    }

    pub(crate) fn config(&self, host: &str) -> Result<Arc<ClientConfig>, ConfigError> {
        let bad = |err: TlsError| ConfigError::new(format!("tls: {}", err));
        server_name(host).map_err(bad)?;
        let provider = Arc::new(ring::default_provider());
        let anchor = match &self.trust {
            Trust::Ca(certificate) => Anchor::Ca(chain_verifier(&provider, der(certificate)?).map_err(bad)?),
            Trust::Pin(pin) => Anchor::Pin(*pin),
        };
        let verifier = Verifier { anchor, calendar: self.calendar, provider: provider.clone() };
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(bad)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()]; // a WebSocket needs it
        config.resumption = rustls::client::Resumption::in_memory_sessions(2);
        Ok(Arc::new(config))
    }
}

/// Puts TLS over a connection that is being made.
pub(crate) fn over(tcp: mio::net::TcpStream, config: &Arc<ClientConfig>, host: &str) -> Result<Stream, Error> {
    let fail = |err: TlsError| Error::Io(io::Error::new(io::ErrorKind::InvalidInput, err));
    let name = server_name(host).map_err(fail)?;
    let connection = ClientConnection::new(config.clone(), name).map_err(fail)?;
    Ok(Stream::Tls(Box::new(StreamOwned::new(connection, tcp))))
}

fn server_name(host: &str) -> Result<ServerName<'static>, TlsError> {
    ServerName::try_from(host.to_owned()).map_err(|_| TlsError::General("the host is no name for TLS".into()))
}

/// The DER of a certificate in PEM or DER; of several, the first.
fn der(certificate: &[u8]) -> Result<CertificateDer<'static>, ConfigError> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    let bad = || ConfigError::new("tls: the CA is no certificate in PEM or DER");
    if certificate.first() == Some(&0x30) {
        return Ok(certificate.to_vec().into());
    }
    let text = std::str::from_utf8(certificate).map_err(|_| bad())?;
    let rest = &text[text.find(BEGIN).ok_or_else(bad)? + BEGIN.len()..];
    let body = &rest[..rest.find("-----END").ok_or_else(bad)?];
    let body: String = body.split_whitespace().collect();
    Ok(BASE64.decode(body.as_bytes()).map_err(|_| bad())?.into())
}

/// Checks chains that end in one CA.
fn chain_verifier(
    provider: &Arc<CryptoProvider>,
    ca: CertificateDer<'_>,
) -> Result<Arc<WebPkiServerVerifier>, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add(ca)?;
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
    verifier.map_err(|err| TlsError::General(err.to_string()))
}

#[derive(Debug)]
enum Anchor {
    Ca(Arc<WebPkiServerVerifier>),
    Pin([u8; 32]),
}

#[derive(Debug)]
struct Verifier {
    anchor: Anchor,
    calendar: bool,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    /// The CA of the pin, if it is in the chain.
    fn pinned(&self, pin: &[u8; 32], chain: &[CertificateDer<'_>]) -> Result<Arc<WebPkiServerVerifier>, TlsError> {
        let suite = ring::cipher_suite::TLS13_AES_128_GCM_SHA256.tls13();
        let sha256 = suite.ok_or(TlsError::General("no SHA-256".into()))?.common.hash_provider;
        let is_it = |ca: &&CertificateDer<'_>| {
            x509::read(ca).map_or(false, |read| sha256.hash(read.public_key).as_ref() == &pin[..])
        };
        let ca = chain.iter().find(is_it).ok_or(CertificateError::UnknownIssuer)?;
        chain_verifier(&self.provider, ca.clone())
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let verifier = match &self.anchor {
            Anchor::Ca(verifier) => verifier.clone(),
            Anchor::Pin(pin) => self.pinned(pin, intermediates)?,
        };
        let now = if self.calendar {
            now
        } else {
            let begins = x509::read(end_entity).ok_or(CertificateError::BadEncoding)?.not_before;
            UnixTime::since_unix_epoch(Duration::from_secs(begins))
        };
        verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// As much of a certificate as is needed here (RFC 5280 section 4.1). Nothing is trusted that
/// it says: what is wrong fails when the chain is checked.
mod x509 {
    /// The time from which on it is valid, in Unix seconds, and its SubjectPublicKeyInfo.
    pub(super) struct Read<'a> {
        pub not_before: u64,
        pub public_key: &'a [u8],
    }

    const SEQUENCE: u8 = 0x30;

    pub(super) fn read(certificate: &[u8]) -> Option<Read<'_>> {
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
            for bad in
                [&b""[..], b"\x30", b"\x30\x80", b"\x30\x84\xff\xff\xff\xff", b"\x30\x02\x30\x00", b"\x30\x7f\x30"]
            {
                assert!(read(bad).is_none(), "{:?}", bad);
            }
        }
    }
}
