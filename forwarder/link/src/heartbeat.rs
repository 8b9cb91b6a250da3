//! Heartbeats: whoever opens the stream writes a number, the other side writes it back.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout_at};

use super::mux::{Opener, Stream};
use super::streams::{StreamType, open};

/// How often, and how long an answer may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// Time between two beats.
    pub interval: Duration,
    /// How long the answer to one may take.
    pub tolerance: Duration,
}

/// Beats until an answer stays out and nothing else comes either; tells how long each took, also the session.
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
            let back = {
                let answer = stream.read_i32();
                tokio::pin!(answer);
                loop {
                    // Whatever comes is a sign of life: on a slow line the answer waits behind other bytes.
                    let last = opener.last_heard().max(start);
                    match timeout_at(last + heartbeat.tolerance, &mut answer).await {
                        Ok(back) => break back?,
                        Err(_) if opener.last_heard() > last => {}
                        Err(_) => {
                            let silent = format!("no sign of life for {:?}", heartbeat.tolerance);
                            return Err(io::Error::new(io::ErrorKind::TimedOut, silent));
                        }
                    }
                }
            };
            if back != number {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a heartbeat came back changed"));
            }
            opener.told_round_trip(start.elapsed());
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

#[cfg(test)]
mod tests {
    use tokio::io::duplex;
    use tokio::time::sleep;

    use super::*;
    use crate::mux::{Limits, Side, session};

    const HEARTBEAT: Heartbeat =
        Heartbeat { interval: Duration::from_secs(10), tolerance: Duration::from_secs(15) };

    /// How a beat ends beside a peer that answers none of it, and sends bytes for so long.
    async fn beside(bytes_for: Duration) -> (Duration, io::ErrorKind) {
        let (one, other) = duplex(1 << 20);
        let (opener, _accepted, driver) = session(one, Side::Server, Limits::default());
        let (peer, mut heard, peers_driver) = session(other, Side::Client, Limits::default());
        tokio::spawn(driver.run());
        tokio::spawn(peers_driver.run());
        tokio::spawn(async move {
            let _unanswered = heard.accept().await;
            let mut stream = peer.open().expect("open");
            let end = Instant::now() + bytes_for;
            while Instant::now() < end {
                stream.write_all(b"x").await.expect("taken");
                sleep(Duration::from_secs(1)).await;
            }
            std::future::pending::<()>().await;
        });
        let begun = Instant::now();
        let error = beat(&opener, HEARTBEAT, |_| {}).await;
        (begun.elapsed(), error.kind())
    }

    #[tokio::test(start_paused = true)]
    async fn any_byte_is_a_sign_of_life_and_silence_is_none() {
        for seconds in [0, 10, 100] {
            let bytes_for = Duration::from_secs(seconds);
            let (lived, kind) = beside(bytes_for).await;
            assert_eq!(kind, io::ErrorKind::TimedOut);
            let dead = bytes_for + HEARTBEAT.tolerance;
            assert!((dead - Duration::from_secs(2)..=dead).contains(&lived), "{lived:?} of {dead:?}");
        }
    }

    /// A line on which the answer waits for longer than it may, behind bytes that are taken one by one.
    #[tokio::test(start_paused = true)]
    async fn whoever_takes_bytes_lives() {
        for taken_for in [0, 100].map(Duration::from_secs) {
            let (one, mut line) = duplex(1_000);
            let (opener, _accepted, driver) = session(one, Side::Client, Limits::default());
            tokio::spawn(driver.run());
            let mut bulk = opener.open().expect("open");
            tokio::spawn(async move { bulk.write_all(&vec![0; 200_000]).await });
            tokio::spawn(async move {
                let (begun, mut part) = (Instant::now(), [0; 500]);
                while begun.elapsed() < taken_for {
                    sleep(Duration::from_secs(1)).await;
                    line.read_exact(&mut part).await.expect("bytes");
                }
                std::future::pending::<()>().await;
            });
            let begun = Instant::now();
            let error = beat(&opener, HEARTBEAT, |_| {}).await;
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            let dead = taken_for + HEARTBEAT.tolerance;
            let lived = begun.elapsed();
            assert!((dead - Duration::from_secs(3)..=dead).contains(&lived), "{lived:?} of {dead:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_round_trip_is_told() {
        let (one, other) = duplex(1 << 20);
        let (opener, _accepted, driver) = session(one, Side::Server, Limits::default());
        let (_peer, mut heard, peers_driver) = session(other, Side::Client, Limits::default());
        tokio::spawn(driver.run());
        tokio::spawn(peers_driver.run());
        tokio::spawn(async move {
            let mut stream = heard.accept().await.expect("a stream");
            crate::read_type(&mut stream).await.expect("a type");
            echo(stream).await;
        });
        let (told, mut beats) = tokio::sync::mpsc::unbounded_channel();
        let beating = tokio::spawn(async move {
            beat(&opener, HEARTBEAT, |latency| told.send(latency).expect("heard")).await
        });
        for _ in 0..3 {
            assert!(beats.recv().await.expect("a beat") < HEARTBEAT.tolerance);
        }
        beating.abort();
    }
}
