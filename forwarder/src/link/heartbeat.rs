//! Heartbeats: whoever opens the stream writes a number, the other side writes it back.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout};

use super::{StreamType, open};
use crate::mux::{Opener, Stream};

/// How often, and how long an answer may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// Time between two beats.
    pub interval: Duration,
    /// How long the answer to one may take.
    pub tolerance: Duration,
}

/// Beats until an answer stays out; tells how long each took.
///
/// # Errors
/// Always, and why: [`io::ErrorKind::TimedOut`] if an answer stayed out.
pub async fn beat(opener: &Opener, heartbeat: Heartbeat, told: impl Fn(Duration)) -> io::Error {
    let beats = async {
        let mut stream = open(opener, StreamType::Heartbeat).await?;
        let mut number = 0_i32;
        loop {
            number = number.wrapping_add(1);
            let start = Instant::now();
            stream.write_i32(number).await?;
            let silent = |_| io::Error::new(io::ErrorKind::TimedOut, "no heartbeat");
            let back = timeout(heartbeat.tolerance, stream.read_i32()).await.map_err(silent)??;
            if back != number {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a heartbeat came back changed"));
            }
            told(start.elapsed());
            sleep(heartbeat.interval).await;
        }
    };
    match beats.await {
        Ok(never) => never,
        Err(error) => error,
    }
}

/// Answers the beats of the other side until it ends them.
pub async fn echo(mut stream: Stream) {
    while let Ok(number) = stream.read_i32().await {
        if stream.write_i32(number).await.is_err() {
            return;
        }
    }
}
