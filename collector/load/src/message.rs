//! What goes over the wire for a request: its body, compressed or not, framed for its transport.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::{BufMut as _, Bytes, BytesMut};

use crate::load::{Compression, Transport};
use crate::template::Template;

/// Level of bodies compressed once for all: what exporters use by default.
const POOL_LEVEL: u32 = 6;
/// Level of bodies compressed for one request.
const FRESH_LEVEL: u32 = 1;

/// Nanoseconds of Unix time: spans are made to lie shortly before it.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where load looks at the clock of the day"
)]
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// How a body is wrapped.
#[derive(Debug, Clone)]
pub(crate) struct Wrapping {
    pub(crate) transport: Transport,
    pub(crate) compression: Compression,
    pub(crate) address: SocketAddr,
    pub(crate) token: Option<String>,
}

impl Wrapping {
    fn begin(&self, length: usize) -> BytesMut {
        let mut message = BytesMut::with_capacity(length + 512);
        match self.transport {
            Transport::Http => {
                let mut head = format!(
                    "POST /v1/traces HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-protobuf\r\nContent-Length: {length}\r\n",
                    self.address
                );
                if let Some(coding) = self.compression.name() {
                    head += &format!("Content-Encoding: {coding}\r\n");
                }
                if let Some(token) = &self.token {
                    head += &format!("Authorization: Bearer {token}\r\n");
                }
                message.put_slice(head.as_bytes());
                message.put_slice(b"\r\n");
            }
            Transport::Grpc => {
                message.put_u8(u8::from(self.compression != Compression::None));
                message
                    .put_u32(u32::try_from(length).expect("a shape is limited to far below 4 GiB"));
            }
        }
        message
    }

    fn wrap(&self, body: &[u8]) -> BytesMut {
        let mut message = self.begin(body.len());
        message.put_slice(body);
        message
    }
}

impl Compression {
    fn pack(self, body: &[u8], level: u32) -> Vec<u8> {
        match self {
            Self::None => body.to_vec(),
            Self::Gzip => {
                let level = flate2::Compression::new(level);
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
                encoder
                    .write_all(body)
                    .and_then(|()| encoder.finish())
                    .expect("writing to memory does not fail")
            }
            Self::Zstd => {
                let level = i32::try_from(level).expect("levels are small");
                zstd::bulk::compress(body, level).expect("memory suffices for a body")
            }
        }
    }
}

/// Bodies that were compressed once, to be sent over and over.
pub(crate) fn pool(template: &Template, wrapping: &Wrapping, first: u64, size: u32) -> Vec<Bytes> {
    let mut body = template.bytes().to_vec();
    (0..u64::from(size.max(1)))
        .map(|number| {
            template.fill(&mut body, first + number, now());
            wrapping.wrap(&wrapping.compression.pack(&body, POOL_LEVEL)).freeze()
        })
        .collect()
}

/// Makes the messages of one connection, one after the other.
#[derive(Debug)]
pub(crate) enum Messages {
    /// Ids and times are written into the message itself.
    Patched { template: Arc<Template>, message: BytesMut, body_at: usize },
    /// Each body is compressed anew.
    Fresh { template: Arc<Template>, body: Vec<u8>, message: BytesMut, wrapping: Wrapping },
    /// Bodies come from a pool.
    Pooled { pool: Arc<Vec<Bytes>>, message: Bytes },
}

impl Messages {
    pub(crate) fn patched(template: Arc<Template>, wrapping: &Wrapping) -> Self {
        let body_at = wrapping.begin(template.bytes().len()).len();
        let message = wrapping.wrap(template.bytes());
        Self::Patched { template, message, body_at }
    }

    pub(crate) fn fresh(template: Arc<Template>, wrapping: Wrapping) -> Self {
        let body = template.bytes().to_vec();
        Self::Fresh { template, body, message: BytesMut::new(), wrapping }
    }

    pub(crate) const fn pooled(pool: Arc<Vec<Bytes>>) -> Self {
        Self::Pooled { pool, message: Bytes::new() }
    }

    /// Makes the message of a request the current one.
    pub(crate) fn make(&mut self, request: u64) {
        match self {
            Self::Patched { template, message, body_at } => {
                template.fill(&mut message[*body_at..], request, now());
            }
            Self::Fresh { template, body, message, wrapping } => {
                template.fill(body, request, now());
                *message = wrapping.wrap(&wrapping.compression.pack(body, FRESH_LEVEL));
            }
            Self::Pooled { pool, message } => {
                *message = pool[(request % pool.len() as u64) as usize].clone();
            }
        }
    }

    /// Lends the current message out without copying it. To be given back before the next.
    pub(crate) fn lend(&mut self) -> Bytes {
        match self {
            Self::Patched { message, .. } | Self::Fresh { message, .. } => {
                std::mem::take(message).freeze()
            }
            Self::Pooled { message, .. } => message.clone(),
        }
    }

    /// Takes a lent message back; one that somebody still holds is copied.
    pub(crate) fn give_back(&mut self, lent: Bytes) {
        if let Self::Patched { message, .. } | Self::Fresh { message, .. } = self {
            *message = lent.try_into_mut().unwrap_or_else(|held| BytesMut::from(&held[..]));
        }
    }
}
