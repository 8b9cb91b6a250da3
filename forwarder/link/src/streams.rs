//! Typed streams: whoever opens one writes first what it is for.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::mux::{Opener, Stream};

/// What a stream is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamType {
    /// The agent says who it is.
    Auth,
    /// The agent offers an endpoint.
    Bind,
    /// The agent takes an endpoint back.
    Unbind,
    /// A connection of a client.
    Proxy,
    /// The agent is to start again.
    Restart,
    /// The agent is to stop.
    Stop,
    /// The agent is to update itself.
    Update,
    /// An endpoint by labels, as it was once.
    BindLabeled,
    /// One endpoint is stopped.
    StopEndpoint,
    /// A sign of life.
    Heartbeat,
}

impl StreamType {
    const ALL: [(u32, Self); 10] = [
        (0, Self::Auth),
        (1, Self::Bind),
        (2, Self::Unbind),
        (3, Self::Proxy),
        (4, Self::Restart),
        (5, Self::Stop),
        (6, Self::Update),
        (7, Self::BindLabeled),
        (9, Self::StopEndpoint),
        (u32::MAX, Self::Heartbeat),
    ];

    fn from_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == number).map(|(_, found)| found)
    }

    fn number(self) -> u32 {
        Self::ALL.into_iter().find(|(_, found)| *found == self).map_or(u32::MAX, |(number, _)| number)
    }
}

/// Opens a stream of a type.
///
/// # Errors
/// If the session has ended or there can be no more streams.
pub async fn open(opener: &Opener, stream_type: StreamType) -> io::Result<Stream> {
    let mut stream = opener.open().map_err(|code| io::Error::new(io::ErrorKind::NotConnected, code))?;
    stream.write_u32(stream_type.number()).await?;
    Ok(stream)
}

/// Reads the type of a stream that the other side has opened.
///
/// # Errors
/// If the stream ends before, or there is no such type.
pub async fn read_type(stream: &mut Stream) -> io::Result<StreamType> {
    let number = stream.read_u32().await?;
    StreamType::from_number(number)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("unknown stream type {number}")))
}
