//! Where requests come from.

use bytes::Bytes;
use resus_receive::{Compression, Encoding, Signal};

/// A request that is to go on, as it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// What it holds.
    pub signal: Signal,
    /// How its message is written.
    pub encoding: Encoding,
    /// How `body` is compressed.
    pub compression: Compression,
    /// The message. Empty without compression is a valid empty request.
    pub body: Bytes,
}

/// A queue of requests that outlives the process, such as a log on disk, and a cursor in it.
///
/// All methods may block: they are called on threads for that, one at a time.
pub trait Source: Send + 'static {
    /// A place behind a request. Reading from it on gives the requests after it.
    type Position: Send + 'static;

    /// Why no request could be read.
    type Error: std::error::Error + Send + Sync + 'static;

    /// The next request, and the place behind it; `None` when there is none for now, which is asked again
    /// after a fifth of a second.
    ///
    /// Requests of signals that are not forwarded are to be given out too: they are done as soon as what
    /// comes before them is, so that [`Source::done`] moves on where nothing else comes. Only what is no
    /// request at all (a damaged record, say) is passed over in here.
    ///
    /// # Errors
    ///
    /// Nothing could be read; it is called again after a second. A source whose fault is lasting has to
    /// get past it by itself.
    fn next(&mut self) -> Result<Option<(Self::Position, Outgoing)>, Self::Error>;

    /// All requests before this place are done and not needed any more. Places only grow. Whether they
    /// are made durable each time is the source's choice: what it forgets in a crash is sent again. It is
    /// not told the same place twice, the last one included, so what is put off has to be made up for.
    fn done(&mut self, up_to: Self::Position);

    /// Bytes that [`Source::next`] has not given out yet. An estimate does, if reading on makes it smaller;
    /// one that is too high has requests dropped that might have stayed.
    fn backlog(&self) -> u64;
}
