//! Where the gateway is, and sockets that never block.

use crate::error::{ConfigError, Error};
use mio::{net::TcpStream, Interest, Registry, Token};
use std::{
    io::{self, Read, Write},
    net::{SocketAddr, ToSocketAddrs},
};

/// The gateway's address, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Base {
    pub secure: bool,
    /// Without the brackets of an IPv6 address.
    pub host: String,
    pub port: u16,
    /// What stands in the header Host.
    pub authority: String,
    /// In front of every path, without a slash at its end.
    pub prefix: String,
}

impl Base {
    pub(crate) fn parse(url: &str) -> Result<Base, ConfigError> {
        let bad = || ConfigError::new("url has to be http://HOST:PORT or https://HOST, with no user and no query");
        let (scheme, rest) = url.split_once("://").ok_or_else(bad)?;
        let secure = match scheme {
            "http" => false,
            "https" => true,
            _ => return Err(bad()),
        };
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        if rest.contains(|c: char| "?#@\\".contains(c) || c.is_whitespace() || c.is_control()) {
            return Err(bad());
        }
        let standard = if secure { 443 } else { 80 };
        let (host, port) = match authority.strip_prefix('[') {
            Some(v6) => {
                let (host, port) = v6.split_once(']').ok_or_else(bad)?;
                (host, if port.is_empty() { None } else { Some(port.strip_prefix(':').ok_or_else(bad)?) })
            }
            None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
        };
        let port = port.map_or(Ok(standard), str::parse).map_err(|_| bad())?;
        if host.is_empty() {
            return Err(bad());
        }
        let prefix = path.trim_end_matches('/').to_owned();
        Ok(Base { secure, host: host.to_owned(), port, authority: authority.to_owned(), prefix })
    }

    /// Asks the system for the addresses. That may block for as long as its resolver likes.
    pub(crate) fn resolve(&self) -> Result<Vec<SocketAddr>, Error> {
        let mut list: Vec<_> = (self.host.as_str(), self.port).to_socket_addrs()?.collect();
        list.dedup();
        Ok(list)
    }
}

/// A connection that is being made, or is there.
pub(crate) enum Stream {
    Plain(TcpStream),
    #[cfg(feature = "rustls")]
    Tls(Box<rustls::StreamOwned<rustls::ClientConnection, TcpStream>>),
}

impl Stream {
    pub(crate) fn tcp(&mut self) -> &mut TcpStream {
        match self {
            Stream::Plain(tcp) => tcp,
            #[cfg(feature = "rustls")]
            Stream::Tls(tls) => &mut tls.sock,
        }
    }

    /// Has a poll tell when there is something to read or space to write.
    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(self.tcp(), token, Interest::READABLE | Interest::WRITABLE)
    }

    /// Whether the connection is made; an error when it will not be.
    pub(crate) fn connected(&mut self) -> io::Result<bool> {
        let tcp = self.tcp();
        if let Some(err) = tcp.take_error()? {
            return Err(err);
        }
        match tcp.peer_addr() {
            Ok(_) => {
                tcp.set_nodelay(true)?;
                Ok(true)
            }
            Err(err) if err.kind() == io::ErrorKind::NotConnected => Ok(false),
            Err(err) => Err(err),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(tcp) => tcp.read(buf),
            #[cfg(feature = "rustls")]
            Stream::Tls(tls) => tls.read(buf),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(tcp) => tcp.write(buf),
            #[cfg(feature = "rustls")]
            Stream::Tls(tls) => tls.write(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Stream::Plain(tcp) => tcp.flush(),
            #[cfg(feature = "rustls")]
            Stream::Tls(tls) => tls.flush(),
        }
    }
}

/// A stream that notes when something came.
pub(crate) struct Pulse {
    stream: Stream,
    heard: bool,
}

impl Pulse {
    pub(crate) fn new(stream: Stream) -> Pulse {
        Pulse { stream, heard: false }
    }

    /// Whether something came since this was asked before.
    pub(crate) fn take_heard(&mut self) -> bool {
        std::mem::take(&mut self.heard)
    }
}

impl Read for Pulse {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.stream.read(buf)?;
        self.heard |= n > 0;
        Ok(n)
    }
}

impl Write for Pulse {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.stream.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// Whether an error only says that there is nothing to do now.
pub(crate) fn later(err: &io::Error) -> bool {
    matches!(err.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let base = |url: &str| Base::parse(url).unwrap();
        let b = base("http://gateway.local:8080");
        assert_eq!((b.secure, b.host.as_str(), b.port, b.prefix.as_str()), (false, "gateway.local", 8080, ""));
        let b = base("https://[fe80::1]/site/");
        assert_eq!((b.secure, b.host.as_str(), b.port, b.prefix.as_str()), (true, "fe80::1", 443, "/site"));
        assert_eq!(b.authority, "[fe80::1]");
        assert_eq!(base("https://[::1]:8443").port, 8443);
        for bad in ["gateway", "http://", "http://[::1", "http://[::1]x", "http://a:99999", "http://a b", "http://a/#x"]
        {
            assert!(Base::parse(bad).is_err(), "{}", bad);
        }
    }
}
