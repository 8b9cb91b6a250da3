//! Any bytes as a call: however they are cut, the object ends at the same place, and it is the one that serde reads.
#![no_main]

use agent_link::{Auth, AuthReply, Bind, JsonEnd, TcpOptions, read_call};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};
use tokio::io::AsyncReadExt;

/// The end of the object in bytes that come in two pieces.
fn end_of(one: &[u8], other: &[u8]) -> Option<usize> {
    let mut end = JsonEnd::default();
    end.look(one).or_else(|| end.look(other).map(|at| one.len() + at))
}

/// Where serde finds the end of the first object.
fn end_by_serde(bytes: &[u8]) -> Option<usize> {
    let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<Map<String, Value>>();
    values.next()?.ok()?;
    Some(values.byte_offset())
}

/// Reading ends, and says the same as serde of the bytes of the object.
async fn read<T: serde::de::DeserializeOwned>(one: &[u8], other: &[u8], end: Option<usize>) {
    let found = read_call::<T>(&mut one.chain(other)).await;
    let whole = [one, other].concat();
    let object = end.and_then(|end| whole.get(..end));
    let expected = object.is_some_and(|object| serde_json::from_slice::<T>(object).is_ok());
    assert_eq!(found.is_ok(), expected);
}

fuzz_target!(|input: (u16, &[u8])| {
    let (cut, bytes) = input;
    let (one, other) = bytes.split_at(usize::from(cut).min(bytes.len()));
    let end = end_of(bytes, &[]);
    assert_eq!(end_of(one, other), end);
    let mut single = JsonEnd::default();
    assert_eq!(bytes.iter().position(|byte| single.look(&[*byte]).is_some()).map(|at| at + 1), end);
    if let Some(at) = end_by_serde(bytes) {
        assert_eq!(end, Some(at));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        read::<Auth>(one, other, end).await;
        read::<AuthReply>(one, other, end).await;
        read::<Bind>(one, other, end).await;
        read::<TcpOptions>(one, other, end).await;
    });
});
