//! Calls: one JSON object each way. The caller does not end its half, so the end of an object is found in its bytes.

use std::fmt;
use std::io;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::error::Category;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use zeroize::Zeroizing;

use super::messages::RefusalExtra;
use super::mux::Opener;
use super::streams::{StreamType, open};

/// The longest object that is taken: a policy may be in it.
pub const CALL_BYTES: usize = 2 << 20;
/// Bytes that are read at once.
const CHUNK_BYTES: usize = 4 << 10;

/// Why a call failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum CallError {
    /// The stream.
    Io(io::Error),
    /// What came is not what was expected.
    Invalid(serde_json::Error),
    /// More bytes than are taken; how many those are.
    TooLong(usize),
    /// The other side says no.
    Refused {
        /// What it says, as it says it: any characters, and as many as a call may have.
        message: String,
        /// `ERR_NGROK_…`, if it has one.
        code: Option<String>,
        /// How long it asks to wait; it may ask for any time.
        retry_after: Option<Duration>,
    },
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            // The error's own text repeats what came, which may be a secret, and is as long as the other side likes.
            Self::Invalid(error) => {
                let what = match error.classify() {
                    Category::Data => "a value of another type, or none",
                    Category::Syntax => "no JSON",
                    Category::Eof => "an end in the middle",
                    Category::Io => "an error",
                };
                let (line, column) = (error.line(), error.column());
                write!(f, "the message is not what it should be: {what} at line {line}, column {column}")
            }
            Self::TooLong(max) => write!(f, "the message has more than {max} bytes"),
            Self::Refused { message, code: Some(code), .. } => write!(f, "{message} ({code})"),
            Self::Refused { message, code: None, .. } => f.write_str(message),
        }
    }
}

impl std::error::Error for CallError {}

impl From<io::Error> for CallError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Finds the end of a JSON object in bytes that come piece by piece, each looked at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct JsonEnd {
    depth: u32,
    in_text: bool,
    escaped: bool,
}

impl JsonEnd {
    /// Looks at more bytes; the number of those that belong to the object, once it has ended.
    ///
    /// ```
    /// use agent_link::JsonEnd;
    /// let mut end = JsonEnd::default();
    /// assert_eq!(end.look(br#"{"a": "}\""#), None);
    /// assert_eq!(end.look(br#"", "b": [{}]} more"#), Some(13));
    /// ```
    pub fn look(&mut self, bytes: &[u8]) -> Option<usize> {
        for (at, byte) in bytes.iter().enumerate() {
            match (self.in_text, byte) {
                (true, _) if self.escaped => self.escaped = false,
                (true, b'\\') => self.escaped = true,
                (true, b'"') => self.in_text = false,
                (true, _) => {}
                (false, b'"') => self.in_text = true,
                (false, b'{' | b'[') => self.depth = self.depth.saturating_add(1),
                (false, b'}' | b']') => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Some(at + 1);
                    }
                }
                // What is no object ends with its first byte, and is none when it is read.
                (false, byte) if self.depth == 0 && !byte.is_ascii_whitespace() => return Some(at + 1),
                (false, _) => {}
            }
        }
        None
    }
}

/// Reads an object of at most [`CALL_BYTES`].
///
/// # Errors
/// [`CallError`], without [`CallError::Refused`].
pub async fn read_call<T: DeserializeOwned>(stream: &mut (impl AsyncRead + Unpin)) -> Result<T, CallError> {
    read_call_within(stream, CALL_BYTES).await
}

/// Reads an object of at most so many bytes.
///
/// # Errors
/// [`CallError`], without [`CallError::Refused`].
pub async fn read_call_within<T: DeserializeOwned>(
    stream: &mut (impl AsyncRead + Unpin),
    max: usize,
) -> Result<T, CallError> {
    // There may be a secret in it.
    let (mut bytes, mut end) = (Zeroizing::new(Vec::with_capacity(CHUNK_BYTES)), JsonEnd::default());
    let mut chunk = Zeroizing::new([0; CHUNK_BYTES]);
    loop {
        let known = bytes.len();
        let read = stream.read(chunk.as_mut_slice()).await?;
        let chunk = chunk.get(..read).unwrap_or_default();
        if chunk.is_empty() {
            return Err(CallError::Io(io::ErrorKind::UnexpectedEof.into()));
        }
        bytes.extend_from_slice(chunk);
        if let Some(length) = end.look(chunk) {
            bytes.truncate(known + length);
            return serde_json::from_slice(&bytes).map_err(CallError::Invalid);
        }
        if bytes.len() > max {
            return Err(CallError::TooLong(max));
        }
    }
}

/// Writes an object and ends the half.
///
/// # Errors
/// Those of the stream.
pub async fn answer(stream: &mut (impl AsyncWrite + Unpin), reply: &impl Serialize) -> io::Result<()> {
    stream.write_all(&serde_json::to_vec(reply)?).await?;
    // Who has read the reply to its end may have given the stream up before this end of it.
    let _ = stream.shutdown().await;
    Ok(())
}

/// Calls the other side and waits for its answer.
///
/// # Errors
/// [`CallError`].
pub async fn ask<T: DeserializeOwned>(
    opener: &Opener,
    stream_type: StreamType,
    request: &impl Serialize,
) -> Result<T, CallError> {
    let mut stream = open(opener, stream_type).await?;
    let request = Zeroizing::new(serde_json::to_vec(request).map_err(CallError::Invalid)?);
    stream.write_all(&request).await?;
    let reply: serde_json::Value = read_call(&mut stream).await?;
    if let Some(text) = reply.get("Error").and_then(serde_json::Value::as_str).filter(|text| !text.is_empty())
    {
        let (codes, lines): (Vec<&str>, Vec<&str>) =
            text.lines().filter(|line| !line.is_empty()).partition(|line| line.starts_with("ERR_NGROK_"));
        let code = codes.first().map(|code| code.trim().to_owned());
        let extra = reply.get("Extra").map(RefusalExtra::deserialize);
        let retry_after = extra.and_then(|extra| extra.ok()?.retry_after).map(Duration::from_secs);
        return Err(CallError::Refused { message: lines.join(" "), code, retry_after });
    }
    serde_json::from_value(reply).map_err(CallError::Invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn objects_are_read_to_their_end_and_no_further() {
        for (bytes, read) in [
            (&br#"{"a":[1,{"b":"}"}]}"#[..], true),
            (br#"  {"a":"\\"}"#, true),
            (br#"{"a":"\"}"#, false),
            (b"17", false),
            (b"", false),
            (b"]", false),
            (b"{]", false),
        ] {
            let mut stream = bytes.chain(&b"more"[..]);
            let found: Result<serde_json::Map<String, serde_json::Value>, _> = read_call(&mut stream).await;
            assert_eq!(found.is_ok(), read, "{bytes:?} {found:?}");
        }
        let deep = "[".repeat(100_000);
        let nested: Result<serde_json::Value, _> =
            read_call(&mut (deep.clone() + &"]".repeat(100_000)).as_bytes()).await;
        assert!(matches!(nested, Err(CallError::Invalid(_))));
        // What came is not repeated to logs: it may be a secret in the wrong place.
        let misplaced = br#"{"AuthToken": {"SECRET": "SECRET"}, "HeartbeatInterval": "SECRET"}"#;
        let found: Result<crate::AuthExtra, _> = read_call(&mut &misplaced[..]).await;
        let told = found.expect_err("of other types").to_string();
        assert!(told.contains("line 1, column") && !told.contains("SECRET"), "{told}");
        let endless = vec![b'['; CALL_BYTES + CHUNK_BYTES];
        let found: Result<serde_json::Value, _> = read_call(&mut &*endless).await;
        assert!(matches!(found, Err(CallError::TooLong(CALL_BYTES))));
    }
}
