//! HTTP/1.1 by hand: full control over the bytes sent, and next to no cost on the load's path.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Interest};
use tokio::net::TcpStream;

/// The longest head and the longest body of an answer that is read: OTLP caps responses at 4 MiB.
const LONGEST_HEAD: usize = 64 * 1024;
const LONGEST_BODY: usize = 4 * 1024 * 1024;

/// A connection to an HTTP server.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    /// What was read and not yet taken as part of an answer.
    unread: Vec<u8>,
}

/// A final answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: Vec<u8>,
    pub(crate) body: Vec<u8>,
    /// Statuses of the interim answers before it (100 and its like).
    pub(crate) interim: Vec<u16>,
    /// Whether the request had not been sent whole when the answer came.
    pub(crate) early: bool,
}

impl Answer {
    /// An answer that came over HTTP/2.
    pub(crate) fn of_http2(status: u16, headers: &http::HeaderMap, body: Vec<u8>) -> Self {
        let mut head = b"HTTP/2\r\n".to_vec();
        for (name, value) in headers {
            head.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
        }
        Self { status, head, body, ..Self::default() }
    }

    /// The value of a header, without the blanks around it; the first where there are several.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    /// Whether the server said that it closes the connection after this answer.
    pub(crate) fn closes(&self) -> bool {
        self.header("connection").is_some_and(|v| v.to_ascii_lowercase().contains("close"))
    }
}

/// The value of a header in a head, the first line included.
fn header<'a>(head: &'a [u8], name: &str) -> Option<&'a str> {
    let lines = std::str::from_utf8(head).ok()?.split("\r\n").skip(1);
    lines.filter_map(|line| line.split_once(':')).find_map(|(key, value)| {
        key.eq_ignore_ascii_case(name).then_some(value.trim_matches([' ', '\t']))
    })
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, unread: Vec::new() })
    }

    /// Sends a request and reads its answer. An answer that comes before the request is sent whole ends
    /// the sending: the rest would only meet a reset.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> io::Result<Answer> {
        let mut sent = 0;
        while sent < request.len() {
            match self.stream.try_write(&request[sent..]) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let ready = self.stream.ready(Interest::READABLE | Interest::WRITABLE).await?;
                    if ready.is_readable() && self.read_some()? {
                        break;
                    }
                }
                // The server may have answered before it closed; its answer says more than the error.
                Err(error) => {
                    return self.answer().await.map(|a| Answer { early: true, ..a }).or(Err(error));
                }
            }
        }
        let early = sent < request.len();
        self.answer().await.map(|answer| Answer { early, ..answer })
    }

    /// Sends bytes, whatever they are.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Waits until the server has closed the connection, reading what it still says.
    pub(crate) async fn closed(&mut self) {
        while let Ok(1..) = self.stream.read_buf(&mut self.unread).await {
            self.unread.clear();
        }
    }

    /// Reads the next bytes as they come; empty at the end.
    pub(crate) async fn bytes(&mut self) -> io::Result<Vec<u8>> {
        self.fill().await?;
        Ok(std::mem::take(&mut self.unread))
    }

    /// Reads the next final answer.
    pub(crate) async fn answer(&mut self) -> io::Result<Answer> {
        let mut interim = Vec::new();
        loop {
            let (status, head) = self.head().await?;
            if (100..200).contains(&status) && status != 101 {
                interim.push(status);
                continue;
            }
            let body =
                if status == 204 || status == 304 { Vec::new() } else { self.body(&head).await? };
            return Ok(Answer { status, head, body, interim, early: false });
        }
    }

    /// Reads the next head, interim or final, and leaves what comes after it unread.
    pub(crate) async fn head(&mut self) -> io::Result<(u16, Vec<u8>)> {
        let mut searched = 0;
        let end = loop {
            let from = searched.max(3) - 3;
            match self.unread[from..].windows(4).position(|four| four == b"\r\n\r\n") {
                Some(at) => break from + at + 4,
                None if self.unread.len() > LONGEST_HEAD => {
                    return Err(broken("no end of the head"));
                }
                None => searched = self.unread.len(),
            }
            if self.fill().await? == 0 {
                return Err(closed(if self.unread.is_empty() {
                    "no answer"
                } else {
                    "half a head"
                }));
            }
        };
        let head: Vec<u8> = self.unread.drain(..end).collect();
        // "HTTP/1.1 200 OK"
        let status = head.get(9..12).filter(|_| head.starts_with(b"HTTP/1."));
        let status = status.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        status.map(|status| (status, head)).ok_or_else(|| broken("no status line"))
    }

    async fn body(&mut self, head: &[u8]) -> io::Result<Vec<u8>> {
        let encoding = header(head, "transfer-encoding").map(str::to_ascii_lowercase);
        if encoding.is_some_and(|encoding| encoding.contains("chunked")) {
            return self.chunked().await;
        }
        match header(head, "content-length").map(str::parse) {
            Some(Ok(length)) => self.take(length).await,
            Some(Err(_)) => Err(broken("a content-length that is no number")),
            None => {
                while self.fill().await? > 0 {
                    if self.unread.len() > LONGEST_BODY {
                        return Err(broken("a body of over 4 MiB"));
                    }
                }
                Ok(std::mem::take(&mut self.unread))
            }
        }
    }

    async fn chunked(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line().await?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size =
                usize::from_str_radix(size, 16).map_err(|_| broken("a chunk without a size"))?;
            if size == 0 {
                while !self.line().await?.is_empty() {}
                return Ok(body);
            }
            if body.len().saturating_add(size) > LONGEST_BODY {
                return Err(broken("a body of over 4 MiB"));
            }
            body.extend(self.take(size).await?);
            self.line().await?;
        }
    }

    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(at) = self.unread.windows(2).position(|two| two == b"\r\n") {
                let line = String::from_utf8_lossy(&self.unread[..at]).into_owned();
                self.unread.drain(..at + 2);
                return Ok(line);
            }
            if self.unread.len() > LONGEST_HEAD {
                return Err(broken("a line without an end"));
            }
            if self.fill().await? == 0 {
                return Err(closed("half a body"));
            }
        }
    }

    async fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        if length > LONGEST_BODY {
            return Err(broken("a body of over 4 MiB"));
        }
        while self.unread.len() < length {
            if self.fill().await? == 0 {
                return Err(closed("half a body"));
            }
        }
        Ok(self.unread.drain(..length).collect())
    }

    /// Waits for more bytes; 0 at the end.
    async fn fill(&mut self) -> io::Result<usize> {
        self.unread.reserve(4096);
        self.stream.read_buf(&mut self.unread).await
    }

    /// Takes what can be read now, without waiting. Whether there was something, be it the end.
    fn read_some(&mut self) -> io::Result<bool> {
        self.unread.reserve(4096);
        match self.stream.try_read_buf(&mut self.unread) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn broken(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn closed(with: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, format!("closed with {with}"))
}

#[cfg(test)]
mod tests;
