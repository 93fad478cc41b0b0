//! TLS for devices: the gateway's own CA is the only one that is trusted, and a device whose
//! clock stands in 1970 may leave out the calendar (feature `rustls`).

use crate::{
    error::{ConfigError, Error},
    net::Stream,
    x509,
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

    /// Trusts the CA of a pin, `sha256/BASE64` as `edgegw tls show` prints it, which is of
    /// its public key (SubjectPublicKeyInfo, RFC 7469 section 2.4), and takes its certificate
    /// from the handshake.
    pub fn pin(pin: &str) -> Result<Tls, ConfigError> {
        let decoded = pin.strip_prefix("sha256/").and_then(|pin| BASE64.decode(pin.as_bytes()).ok());
        let pin = decoded.and_then(|pin| pin.try_into().ok());
        let pin = pin.ok_or_else(|| ConfigError::new("tls: a pin is sha256/ and 32 bytes in base64"))?;
        Ok(Tls { trust: Trust::Pin(pin), calendar: true })
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
        let verifier = self.verifier()?;
        let mut config = ClientConfig::builder_with_provider(verifier.provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(bad)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()]; // a WebSocket needs it
        config.resumption = rustls::client::Resumption::in_memory_sessions(2);
        Ok(Arc::new(config))
    }

    fn verifier(&self) -> Result<Verifier, ConfigError> {
        let provider = Arc::new(ring::default_provider());
        let anchor = match &self.trust {
            Trust::Ca(certificate) => {
                let verifier = chain_verifier(&provider, der(certificate)?);
                Anchor::Ca(verifier.map_err(|err| ConfigError::new(format!("tls: {}", err)))?)
            }
            Trust::Pin(pin) => Anchor::Pin(*pin),
        };
        Ok(Verifier { anchor, calendar: self.calendar, provider })
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

#[cfg(test)]
mod tests {
    use super::*;

    const PIN: &str = "sha256/Eyr/49QZYhHUZPr/NRGHD844JnE6A3mDvu4Gsf59M7U=";
    const TODAY: u64 = 1_796_130_000; // December 2026
    /// A gateway's CA, from 2020 to 2036.
    const CA: &str = "\
        MIIChzCCAiygAwIBAgIUUDEs8QveWWegCyQW6NBATB3+5DswCgYIKoZIzj0EAwIwMzEPMA0GA1UEChMGZWRnZWd3MSAwHgYDVQQD\
        ExdlZGdlZ3cgQ0Egb2Ygdm0sIDU0ZDYzZTAeFw0yMDAxMDEwMDAwMDBaFw0zNjEyMDExMzEwMjRaMDMxDzANBgNVBAoTBmVkZ2Vn\
        dzEgMB4GA1UEAxMXZWRnZWd3IENBIG9mIHZtLCA1NGQ2M2UwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQRUsumwvkAzOSBSeWv\
        ARaQyiJjV/vVzcwXnj7GH5F8TTZpVSQ784MNStfpf1bgrrb5tJwMDqBW+a9XA7hgbQxso4IBHDCCARgwDgYDVR0PAQH/BAQDAgEG\
        MBIGA1UdEwEB/wQIMAYBAf8CAQAwHQYDVR0OBBYEFD8AW8ev38EqUgF9Z6Aqhg5jJ5qOMIHSBgNVHR4EgcowgceggcQwB4IFbG9j\
        YWwwC4IJbG9jYWxob3N0MASCAnZtMAqHCAoAAAD/AAAAMAqHCKwQAAD/8AAAMAqHCMCoAAD//wAAMAqHCKn+AAD//wAAMAqHCH8A\
        AAD/AAAAMCKHIPwAAAAAAAAAAAAAAAAAAAD+AAAAAAAAAAAAAAAAAAAAMCKHIP6AAAAAAAAAAAAAAAAAAAD/wAAAAAAAAAAAAAAA\
        AAAAMCKHIAAAAAAAAAAAAAAAAAAAAAH/////////////////////MAoGCCqGSM49BAMCA0kAMEYCIQDV9VhqGQ3R1KRv6cwPdC5Y\
        hI/s/iFd271xJGUKYOp2JgIhAIae/9oK/qwHl7Vs7ESpLM8X+hN+qSB/HlhGfjPwz/ss\
    ";
    /// Its certificate for localhost, vm.local and 127.0.0.1, from November 2026 to December 2027.
    const SERVER: &str = "\
        MIIB6zCCAZKgAwIBAgIUGS4CyOxONdKhnQTQbnsT7MGcZuMwCgYIKoZIzj0EAwIwMzEPMA0GA1UEChMGZWRnZWd3MSAwHgYDVQQD\
        ExdlZGdlZ3cgQ0Egb2Ygdm0sIDU0ZDYzZTAeFw0yNjExMDExMzEwMjRaFw0yNzEyMDMxMzEwMjRaMBExDzANBgNVBAoTBmVkZ2Vn\
        dzBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABD4DFf8B1hkguXSqB2k6wY3r0JkuKcMeHKtpM9UwgY4E1JyZxs0zcj2eIZJc64p3\
        vVCqzs+vXLTEHxbq6mokPJGjgaUwgaIwDgYDVR0PAQH/BAQDAgeAMBMGA1UdJQQMMAoGCCsGAQUFBwMBMAwGA1UdEwEB/wQCMAAw\
        HwYDVR0jBBgwFoAUPwBbx6/fwSpSAX1noCqGDmMnmo4wTAYDVR0RBEUwQ4IJbG9jYWxob3N0ggJ2bYIIdm0ubG9jYWyHBH8AAAGH\
        EAAAAAAAAAAAAAAAAAAAAAGHEP0AAAAAAAAAAAAAAAAAAAIwCgYIKoZIzj0EAwIDRwAwRAIgGUlmgL4EYt7ZbuPNw8nAWunVkvWp\
        xEfEqX50lVOzj8wCIDQd4tVXDYmJIa6B6e1UiCvQHacC9u/+GbNHxoUOBqdU\
    ";

    fn check(tls: Tls, host: &str, chain: &[&str], now: u64) -> Result<(), TlsError> {
        let chain: Vec<CertificateDer> = chain.iter().map(|c| BASE64.decode(c.as_bytes()).unwrap().into()).collect();
        let (name, now) = (server_name(host).unwrap(), UnixTime::since_unix_epoch(Duration::from_secs(now)));
        tls.verifier().unwrap().verify_server_cert(&chain[0], &chain[1..], &name, &[], now).map(drop)
    }

    fn by_ca() -> Tls {
        Tls::ca(format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", CA))
    }

    #[test]
    fn whom_it_trusts() {
        let pinned = || Tls::pin(PIN).unwrap();
        for host in ["localhost", "vm.local", "127.0.0.1"] {
            assert_eq!(check(by_ca(), host, &[SERVER, CA], TODAY), Ok(()), "{}", host);
            assert_eq!(check(pinned(), host, &[SERVER, CA], TODAY), Ok(()), "{}", host);
        }
        assert_eq!(check(Tls::ca(BASE64.decode(CA.as_bytes()).unwrap()), "localhost", &[SERVER], TODAY), Ok(()));
        let unknown = Err(CertificateError::UnknownIssuer.into());
        assert_eq!(check(pinned(), "localhost", &[SERVER], TODAY), unknown, "without the CA");
        let other = format!("sha256/{}", BASE64.encode(&[7; 32]));
        assert_eq!(check(Tls::pin(&other).unwrap(), "localhost", &[SERVER, CA], TODAY), unknown, "another pin");
        for tls in [by_ca(), by_ca().without_calendar(), pinned().without_calendar()] {
            assert!(check(tls.clone(), "gateway.local", &[SERVER, CA], TODAY).is_err(), "another name");
            // One bit of the signature.
            let torn = SERVER.replace("BqdU", "BqdV");
            assert!(check(tls, "localhost", &[&torn, CA], TODAY).is_err(), "a torn certificate");
        }
    }

    #[test]
    fn the_calendar() {
        for now in [600, TODAY + 20 * 365 * 86_400] {
            assert!(check(by_ca(), "localhost", &[SERVER, CA], now).is_err(), "{}", now);
            assert_eq!(check(by_ca().without_calendar(), "localhost", &[SERVER, CA], now), Ok(()), "{}", now);
        }
    }

    #[test]
    fn what_is_refused() {
        let half = "-----BEGIN CERTIFICATE-----\nMIIB";
        for bad in ["", "no PEM", half, "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----"] {
            assert!(Tls::ca(bad).verifier().is_err(), "{}", bad);
        }
        for bad in ["", "sha256/", "sha256/AAAA", "sha1/Eyr/49QZYhHUZPr/NRGHD844JnE6A3mDvu4Gsf59M7U="] {
            assert!(Tls::pin(bad).is_err(), "{}", bad);
        }
        assert!(by_ca().config("no name").is_err());
    }
}
