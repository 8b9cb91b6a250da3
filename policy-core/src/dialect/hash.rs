//! Digests and checksums of texts.
//!
//! Source: ngrok documentation, hash macros (2026-08-07): crc32 by IEEE, crc64 by ISO, xxhash64 with seed 0;
//! as `hex` (the default) or `base64`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use sha1::Sha1;
use sha2::{Sha256, Sha512};

use crate::cel::library::overload::{Call, Cost, Fails, Overload};
use crate::cel::{Fault, Value};
use crate::diagnostic::shorten;

/// How digests are printed, as it is told of other words.
const FORMATS: &str = "a digest is printed as `hex` or `base64`";

/// The second argument may be no format.
const NO_FORMAT: Fails = Fails::NotOneOf {
    at: 1,
    allowed: &["hex", "base64"],
    told: FORMATS,
    message: "this fails if the string is neither `hex` nor `base64`",
    help: "write `'hex'` or `'base64'`",
};

/// A digest as a function and as a function of a text, each with and without a format.
macro_rules! digests {
    ($($name:literal $run:ident),+ $(,)?) => {
        &[$(
            digests!(@one concat!("hash.", $name, "(string) -> string"), $name, $run),
            digests!(@one concat!("hash.", $name, "(string, string) -> string"), $name, $run).failing(NO_FORMAT),
            digests!(@one concat!("(string).", $name, "() -> string"), $name, $run),
            digests!(@one concat!("(string).", $name, "(string) -> string"), $name, $run).failing(NO_FORMAT),
        )+]
    };
    (@one $signature:expr, $name:literal, $run:ident) => {
        Overload::new($signature, concat!("the ", $name, " of a string, as `hex` or `base64`"), Cost::Scan, $run)
    };
}

pub(super) static OVERLOADS: &[Overload] = digests! {
    "crc32" crc32, "crc64" crc64, "md5" md5, "sha1" sha1, "sha256" sha256, "sha512" sha512, "xxhash64" xxhash64,
};

const CRC32: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);
const CRC64: crc::Crc<u64> = crc::Crc::<u64>::new(&crc::CRC_64_GO_ISO);

/// Prints a digest of the first argument in the format of the second.
fn printed(call: &Call<'_, '_>, digest: impl Fn(&[u8]) -> Vec<u8>) -> Result<Value, Fault> {
    let bytes = digest(call.text(0)?.as_bytes());
    let format = if call.arguments.len() > 1 { call.text(1)? } else { "hex" };
    match format {
        "hex" => Ok(Value::text(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())),
        "base64" => Ok(Value::text(STANDARD.encode(bytes))),
        other => Err(Fault::argument(format!("{FORMATS}, not `{}`", shorten(other)))),
    }
}

fn crc32(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    printed(call, |bytes| CRC32.checksum(bytes).to_be_bytes().to_vec())
}

fn crc64(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    printed(call, |bytes| CRC64.checksum(bytes).to_be_bytes().to_vec())
}

fn md5(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    printed(call, |bytes| Md5::digest(bytes).to_vec())
}

fn sha1(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    printed(call, |bytes| Sha1::digest(bytes).to_vec())
}

fn sha256(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    printed(call, |bytes| Sha256::digest(bytes).to_vec())
}

fn sha512(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    printed(call, |bytes| Sha512::digest(bytes).to_vec())
}

fn xxhash64(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    printed(call, |bytes| xxhash_rust::xxh64::xxh64(bytes, 0).to_be_bytes().to_vec())
}
