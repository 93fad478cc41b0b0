//! Requests to the gateway: one at a time on a connection of its own, in steps that never
//! block. The handshake of a WebSocket is one of them.

use crate::{
    error::{Error, Refusal},
    net::{later, Base, Stream},
};
use mio::{Registry, Token};
use serde::Deserialize;
use std::{
    io::{self, Read, Write},
    net::SocketAddr,
    time::{Duration, Instant},
};

/// Bounds the head of an answer, and its body.
const MAX_BYTES: usize = 64 << 10;

/// Opens connections to the gateway.
#[derive(Clone)]
pub(crate) struct Opener {
    pub base: Base,
    #[cfg(feature = "rustls")]
    pub tls: Option<std::sync::Arc<rustls::ClientConfig>>,
}

impl Opener {
    fn open(&self, address: SocketAddr) -> Result<Stream, Error> {
        let tcp = mio::net::TcpStream::connect(address)?;
        #[cfg(feature = "rustls")]
        if let Some(config) = &self.tls {
            return crate::tls::over(tcp, config, &self.base.host);
        }
        Ok(Stream::Plain(tcp))
    }

    /// The bytes of a request.
    pub(crate) fn request(&self, method: &str, path: &str, headers: &str, body: &str) -> Vec<u8> {
        let Base { prefix, authority, .. } = &self.base;
        let length = if body.is_empty() {
            String::new()
        } else {
            format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len())
        };
        format!("{} {}{} HTTP/1.1\r\nHost: {}\r\n{}{}\r\n{}", method, prefix, path, authority, length, headers, body)
            .into_bytes()
    }
}

/// An answer.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub status: u16,
    /// Names are in lower case.
    pub headers: Vec<(String, String)>,
    /// Of 101, what came behind the head.
    pub body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|header| header.0 == name).map(|header| header.1.as_str())
    }

    /// The refusal that it is.
    pub(crate) fn refusal(&self) -> Box<Refusal> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Problem {
            code: String,
            detail: String,
        }
        let problem: Problem = serde_json::from_slice(&self.body).unwrap_or_default();
        let seconds = self.header("retry-after").and_then(|s| s.trim().parse::<u32>().ok()).filter(|s| *s > 0);
        Box::new(Refusal {
            status: self.status,
            code: problem.code,
            message: problem.detail,
            retry_after: seconds.map(|s| Duration::from_secs(s.into())),
            ..Refusal::default()
        })
    }
}

/// A request under way.
pub(crate) struct Exchange {
    opener: Opener,
    token: Token,
    /// Where to try, the next one last.
    addresses: Vec<SocketAddr>,
    /// What an address may take to connect, when there are others.
    share: Duration,
    began: Instant,
    deadline: Instant,
    stream: Option<Stream>,
    connected: bool,
    out: Vec<u8>,
    /// How many bytes of `out` have been written.
    written: usize,
    flushed: bool,
    input: Vec<u8>,
}

impl Exchange {
    pub(crate) fn new(
        opener: &Opener,
        mut addresses: Vec<SocketAddr>,
        token: Token,
        out: Vec<u8>,
        timeout: Duration,
    ) -> Exchange {
        addresses.reverse();
        let (share, began) = (timeout / addresses.len().max(1) as u32, Instant::now());
        Exchange {
            opener: opener.clone(),
            token,
            addresses,
            share,
            began,
            deadline: began + timeout,
            stream: None,
            connected: false,
            out,
            written: 0,
            flushed: false,
            input: Vec::new(),
        }
    }

    /// When to call `step` again at the latest.
    pub(crate) fn due(&self) -> Instant {
        if self.connected || self.addresses.is_empty() {
            self.deadline
        } else {
            self.deadline.min(self.began + self.share)
        }
    }

    /// The connection, of an exchange that is done.
    pub(crate) fn into_stream(self) -> Option<Stream> {
        self.stream
    }

    /// Goes on as far as it can without waiting. None: there is more to come.
    pub(crate) fn step(&mut self, registry: &Registry) -> Result<Option<Answer>, Error> {
        if Instant::now() >= self.deadline {
            return Err(Error::Timeout);
        }
        while !self.connected {
            match self.connect(registry) {
                Ok(true) => self.connected = true,
                Ok(false) if Instant::now() < self.due() || self.addresses.is_empty() => return Ok(None),
                Ok(false) => self.stream = None,
                Err(err) if self.addresses.is_empty() => return Err(err),
                Err(_) => self.stream = None,
            }
        }
        let stream = match &mut self.stream {
            Some(stream) => stream,
            None => return Err(Error::Timeout),
        };
        if !self.flushed {
            match send(stream, &self.out, &mut self.written) {
                Ok(()) => self.flushed = true,
                Err(err) if later(&err) => return Ok(None),
                Err(err) => return Err(err.into()),
            }
        }
        loop {
            let over = match receive(stream, &mut self.input) {
                Ok(n) => n == 0,
                Err(err) if later(&err) => return Ok(None),
                Err(err) if err.kind() == io::ErrorKind::UnexpectedEof => true, // TLS without its goodbye
                Err(err) => return Err(err.into()),
            };
            if let Some(answer) = parse(&self.input, over)? {
                return Ok(Some(answer));
            }
        }
    }

    /// Whether the connection is made.
    fn connect(&mut self, registry: &Registry) -> Result<bool, Error> {
        if self.stream.is_none() {
            let none = || Error::Io(io::Error::new(io::ErrorKind::NotFound, "the gateway's name has no address"));
            let address = self.addresses.pop().ok_or_else(none)?;
            self.began = Instant::now();
            let mut stream = self.opener.open(address)?;
            stream.register(registry, self.token)?;
            self.stream = Some(stream);
        }
        match &mut self.stream {
            Some(stream) => Ok(stream.connected()?),
            None => Ok(false),
        }
    }
}

fn send(stream: &mut Stream, out: &[u8], written: &mut usize) -> io::Result<()> {
    while *written < out.len() {
        *written += stream.write(&out[*written..])?;
    }
    stream.flush()
}

fn receive(stream: &mut Stream, input: &mut Vec<u8>) -> io::Result<usize> {
    let mut buf = [0; 2048];
    let n = stream.read(&mut buf)?;
    input.extend_from_slice(&buf[..n]);
    Ok(n)
}

/// Reads an answer; none while it is not whole. `over` says that no more comes.
fn parse(input: &[u8], over: bool) -> Result<Option<Answer>, Error> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut headers);
    let illegal = |err: httparse::Error| Error::Illegal(format!("an answer is no HTTP: {}", err));
    let length = match head.parse(input).map_err(illegal)? {
        httparse::Status::Complete(length) => length,
        httparse::Status::Partial if input.len() > MAX_BYTES => {
            return Err(Error::Illegal("the head of an answer is too long".into()))
        }
        httparse::Status::Partial if over => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
        httparse::Status::Partial => return Ok(None),
    };
    let (status, rest) = (head.code.unwrap_or(0), &input[length..]);
    if (100..200).contains(&status) && status != 101 {
        return parse(rest, over); // a hint in front of the answer
    }
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let headers = head.headers.iter().map(|h| (h.name.to_ascii_lowercase(), text(h.value))).collect();
    let answer = Answer { status, headers, body: Vec::new() };
    Ok(match body(&answer, rest, over)? {
        Some(body) => Some(Answer { body, ..answer }),
        None if rest.len() > 2 * MAX_BYTES => return Err(Error::Illegal("an answer is too long".into())),
        None if over => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
        None => None,
    })
}

/// The body of an answer (RFC 9112 section 6.3); none while it is not whole.
fn body(answer: &Answer, rest: &[u8], over: bool) -> Result<Option<Vec<u8>>, Error> {
    if answer.status == 101 {
        return Ok(Some(rest.to_vec()));
    }
    if answer.status == 204 || answer.status == 304 {
        return Ok(Some(Vec::new()));
    }
    if answer.header("transfer-encoding").map_or(false, |coding| coding.trim().eq_ignore_ascii_case("chunked")) {
        return unchunk(rest);
    }
    let length = match answer.header("content-length") {
        None if over => return Ok(Some(rest[..rest.len().min(MAX_BYTES)].to_vec())),
        None => return Ok(None),
        Some(length) => length.trim().parse::<usize>().ok().filter(|length| *length <= MAX_BYTES),
    };
    let length = length.ok_or_else(|| Error::Illegal("the length of an answer".into()))?;
    Ok(rest.get(..length).map(<[u8]>::to_vec))
}

/// Takes the chunks of a body together (RFC 9112 section 7.1).
fn unchunk(mut rest: &[u8]) -> Result<Option<Vec<u8>>, Error> {
    let mut body = Vec::new();
    loop {
        let bad = |_| Error::Illegal("the chunks of an answer".into());
        let (start, size) = match httparse::parse_chunk_size(rest).map_err(bad)? {
            httparse::Status::Complete((start, size)) => (start, usize::try_from(size).unwrap_or(usize::MAX)),
            httparse::Status::Partial => return Ok(None),
        };
        if size == 0 {
            return Ok(Some(body));
        }
        if size > MAX_BYTES - body.len() {
            return Err(Error::Illegal("an answer is too long".into()));
        }
        match rest.get(start..start + size) {
            Some(chunk) => body.extend_from_slice(chunk),
            None => return Ok(None),
        }
        rest = rest.get(start + size + 2..).unwrap_or(&[]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_byte_by_byte() {
        let cases = [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", 200, "{}"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", 200, "abcde"),
            ("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", 204, ""),
            ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", 101, ""),
        ];
        for (text, status, body) in cases {
            let whole = (0..=text.len()).find_map(|n| parse(&text.as_bytes()[..n], false).unwrap()).unwrap();
            assert_eq!((whole.status, whole.body), (status, body.as_bytes().to_vec()), "{}", text);
        }
        let until_end = b"HTTP/1.0 200 OK\r\n\r\nall of it";
        assert!(parse(until_end, false).unwrap().is_none());
        assert_eq!(parse(until_end, true).unwrap().unwrap().body, b"all of it");
    }

    #[test]
    fn what_is_no_answer() {
        for bad in [
            "SSH-2.0-x\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        ] {
            assert!(matches!(parse(bad.as_bytes(), false), Err(Error::Illegal(_))), "{}", bad);
        }
        assert!(matches!(parse(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", true), Err(Error::Io(_))));
        assert!(matches!(parse(b"HTT", true), Err(Error::Io(_)) | Err(Error::Illegal(_))));
    }

    #[test]
    fn refusals() {
        let text =
            "HTTP/1.1 503 Busy\r\nRETRY-AFTER: 7\r\nContent-Length: 30\r\n\r\n{\"code\":\"busy\",\"detail\":\"wait\"}";
        let refusal = parse(text.as_bytes(), true).unwrap().unwrap().refusal();
        assert_eq!((refusal.status, refusal.retry_after), (503, Some(Duration::from_secs(7))));
    }
}
