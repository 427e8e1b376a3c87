//! One POST over HTTP/1.1 (RFC 9112) whose answer is read as it comes.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use super::ENGINE;
use super::chunked::ChunkedBody;
use crate::{Error, Result, in_one_line};

/// How often a wait looks whether the caller still wants the answer.
const POLL: Duration = Duration::from_millis(5);

/// The most bytes that are kept of a head and of a body without an event, and the most letters of it that are shown.
pub(super) const LARGEST_HEAD: usize = 64 * 1024;
const SHOWN: usize = 300;

/// Where requests go.
#[derive(Debug, PartialEq)]
pub(super) struct Endpoint {
    host: String,
    port: u16,
    path: String,
}

impl Endpoint {
    pub(super) fn parse(url: &str) -> Result<Self> {
        let wrong = || Error::invalid("url", "http://host[:port][/path] without TLS", url);
        let rest = url.strip_prefix("http://").ok_or_else(wrong)?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| wrong())?),
            _ => (authority, 80),
        };
        let clean = |text: &str| !text.chars().any(|c| c.is_whitespace() || c.is_control());
        if host.is_empty() || !clean(host) || !clean(path) {
            return Err(wrong());
        }
        let path = format!("/{}", path.trim_end_matches('/')).trim_end_matches('/').to_owned();
        Ok(Self { host: host.to_owned(), port, path })
    }

    /// A connection; None when the caller no longer wants one. Neither a look-up of a name nor a connection can be
    /// broken off, so both have a thread, which is left behind then and ends with them.
    fn connect(&self, timeout: Duration, cancelled: &dyn Fn() -> bool) -> Result<Option<TcpStream>> {
        let (host, port) = (self.host.trim_matches(['[', ']']).to_owned(), self.port);
        let failed = |e: std::io::Error| Error::engine(ENGINE, format!("no connection to {}:{port}: {e}", self.host));
        let (sender, receiver) = mpsc::sync_channel(1);
        let connect = move || {
            let _ = sender.send(connect_to(&host, port, timeout));
        };
        thread::Builder::new().name("connect".into()).spawn(connect).map_err(failed)?;
        let started = Instant::now();
        loop {
            if cancelled() {
                return Ok(None);
            }
            match receiver.recv_timeout(POLL) {
                Ok(connected) => return connected.map(Some).map_err(failed),
                Err(RecvTimeoutError::Timeout) if started.elapsed() <= timeout => {}
                Err(_) => return Err(failed(ErrorKind::TimedOut.into())),
            }
        }
    }
}

fn connect_to(host: &str, port: u16, timeout: Duration) -> std::io::Result<TcpStream> {
    let mut last = std::io::Error::new(ErrorKind::NotFound, "no address");
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// What comes next of an answer.
#[derive(Debug, PartialEq)]
pub(super) enum Piece {
    Bytes(Vec<u8>),
    End,
    Cancelled,
}

/// A request that was sent, and its answer.
pub(super) struct Exchange {
    stream: TcpStream,
    timeout: Duration,
    head: Option<Head>,
    buffer: Vec<u8>,
    /// The body of an answer whose status is an error.
    refusal: Vec<u8>,
}

struct Head {
    status: u16,
    body: Body,
}

enum Body {
    Chunked(ChunkedBody),
    Sized(usize),
    UntilClose,
}

impl Exchange {
    /// Sends a request; None when it was `cancelled` before it was sent.
    pub(super) fn post(
        endpoint: &Endpoint,
        key: Option<&str>,
        body: &str,
        timeout: Duration,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Option<Self>> {
        let Endpoint { host, port, path } = endpoint;
        let key = match key {
            Some(key) => format!("Authorization: Bearer {key}\r\n"),
            None => String::new(),
        };
        let request = format!(
            "POST {path}/chat/completions HTTP/1.1\r\nHost: {host}:{port}\r\n{key}Content-Type: application/json\r\n\
             Accept: text/event-stream\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        let failed = |e: std::io::Error| Error::engine(ENGINE, format!("{host}:{port}: {e}"));
        let Some(mut stream) = endpoint.connect(timeout, cancelled)? else { return Ok(None) };
        stream.set_nodelay(true).map_err(failed)?;
        stream.set_read_timeout(Some(POLL)).map_err(failed)?;
        stream.set_write_timeout(Some(POLL)).map_err(failed)?;
        let (mut rest, mut moved) = (request.as_bytes(), Instant::now());
        while !rest.is_empty() {
            if cancelled() {
                return Ok(None);
            }
            match stream.write(rest) {
                Ok(0) => return Err(failed(ErrorKind::WriteZero.into())),
                Ok(count) => (rest, moved) = (&rest[count..], Instant::now()),
                Err(e) if is_wait(&e) && moved.elapsed() <= timeout => {}
                Err(e) => return Err(failed(e)),
            }
        }
        Ok(Some(Self { stream, timeout, head: None, buffer: Vec::new(), refusal: Vec::new() }))
    }

    /// Waits for the next piece of the body, or until `cancelled`.
    pub(super) fn next(&mut self, cancelled: &dyn Fn() -> bool) -> Result<Piece> {
        loop {
            if let Some(piece) = self.take()? {
                return Ok(piece);
            }
            match self.fill(cancelled)? {
                Fill::More => {}
                Fill::Cancelled => return Ok(Piece::Cancelled),
                Fill::Closed => return self.closed(),
            }
        }
    }

    fn closed(&mut self) -> Result<Piece> {
        match &self.head {
            Some(Head { status: 200..=299, .. }) => Ok(Piece::End),
            Some(Head { status, .. }) => Err(refused(*status, &self.refusal)),
            None if self.buffer.is_empty() => {
                Err(Error::engine(ENGINE, "the endpoint closed the connection without an answer"))
            }
            None => Err(Error::engine(ENGINE, "an answer that is not HTTP")),
        }
    }

    /// What the buffer already holds.
    fn take(&mut self) -> Result<Option<Piece>> {
        if self.head.is_none() {
            let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") else {
                let large = self.buffer.len() > LARGEST_HEAD;
                return if large { Err(Error::engine(ENGINE, "an answer that is not HTTP")) } else { Ok(None) };
            };
            let head = parse_head(&String::from_utf8_lossy(&self.buffer[..end]))?;
            self.buffer.drain(..end + 4);
            self.head = Some(head);
        }
        let Some(head) = &mut self.head else { return Ok(None) };
        let is_refused = !(200..300).contains(&head.status);
        loop {
            match head.body.take(std::mem::take(&mut self.buffer))? {
                piece if !is_refused => return Ok(piece),
                None => return Ok(None),
                Some(Piece::Bytes(bytes)) if self.refusal.len() < LARGEST_HEAD => self.refusal.extend(bytes),
                Some(_) => return Err(refused(head.status, &self.refusal)),
            }
        }
    }

    fn fill(&mut self, cancelled: &dyn Fn() -> bool) -> Result<Fill> {
        let started = Instant::now();
        let mut bytes = [0; 8192];
        loop {
            if cancelled() {
                return Ok(Fill::Cancelled);
            }
            match self.stream.read(&mut bytes) {
                Ok(0) => return Ok(Fill::Closed),
                Ok(count) => {
                    self.buffer.extend_from_slice(&bytes[..count]);
                    return Ok(Fill::More);
                }
                Err(e) if is_wait(&e) => {}
                Err(e) => return Err(Error::engine(ENGINE, format!("the connection broke: {e}"))),
            }
            if started.elapsed() > self.timeout {
                if let Some(Head { status, .. }) = self.head.as_ref().filter(|head| !(200..300).contains(&head.status))
                {
                    return Err(refused(*status, &self.refusal));
                }
                let waited = self.timeout.as_millis();
                return Err(Error::engine(ENGINE, format!("nothing came from the endpoint for {waited} ms")));
            }
        }
    }
}

impl Body {
    /// What `bytes`, which came next, hold of the body.
    fn take(&mut self, bytes: Vec<u8>) -> Result<Option<Piece>> {
        match self {
            Self::Sized(0) => Ok(Some(Piece::End)),
            Self::Sized(_) | Self::UntilClose if bytes.is_empty() => Ok(None),
            Self::UntilClose => Ok(Some(Piece::Bytes(bytes))),
            Self::Sized(left) => {
                let now = bytes.len().min(*left);
                *left -= now;
                Ok(Some(Piece::Bytes(bytes[..now].to_vec())))
            }
            Self::Chunked(chunked) => {
                let mut out = Vec::new();
                let done = chunked.push(&bytes, &mut out)?;
                Ok(if !out.is_empty() { Some(Piece::Bytes(out)) } else { done.then_some(Piece::End) })
            }
        }
    }
}

/// Whether a socket only had nothing to do yet.
fn is_wait(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

fn refused(status: u16, body: &[u8]) -> Error {
    let said = shown(body);
    let said = if said.is_empty() { said } else { format!(": {said}") };
    Error::engine(ENGINE, format!("the endpoint answered with status {status}{said}"))
}

/// The beginning of a body, in one line.
pub(super) fn shown(body: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(body).chars().take(SHOWN).collect();
    in_one_line(text)
}

enum Fill {
    More,
    Closed,
    Cancelled,
}

fn parse_head(head: &str) -> Result<Head> {
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok());
    let status = status.ok_or_else(|| Error::engine(ENGINE, "an answer that is not HTTP/1.1"))?;
    let mut body = Body::UntilClose;
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        if name.eq_ignore_ascii_case("transfer-encoding") && value.eq_ignore_ascii_case("chunked") {
            body = Body::Chunked(ChunkedBody::default());
        } else if name.eq_ignore_ascii_case("content-length") && !matches!(body, Body::Chunked(_)) {
            let length = value.parse().map_err(|_| Error::engine(ENGINE, "a content length that is no number"))?;
            body = Body::Sized(length);
        }
    }
    Ok(Head { status, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_or_refused() {
        let endpoint = Endpoint::parse("http://localhost:8080/v1/").unwrap();
        assert_eq!(endpoint, Endpoint { host: "localhost".into(), port: 8080, path: "/v1".into() });
        assert_eq!(Endpoint::parse("http://[::1]/v1").unwrap().host, "[::1]");
        for wrong in ["https://example.org/v1", "localhost", "http://", "http://a:b/", "http://a b/", "http://a/\r\nx"]
        {
            assert!(Endpoint::parse(wrong).is_err(), "{wrong}");
        }
    }
}
