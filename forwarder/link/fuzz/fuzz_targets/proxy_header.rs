//! Any bytes as the start of a client's connection: an answer, and a header that reads is written and read the same.
#![no_main]

use agent_link::{PROXY_HEADER_BYTES, ProxyHeader};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let mut rest = bytes;
        let Ok(header) = ProxyHeader::read(&mut rest).await else { return };
        let (length, _) = bytes.split_first_chunk::<8>().expect("a header has a length");
        let length = usize::try_from(i64::from_le_bytes(*length)).expect("a length");
        assert!(length as u64 <= PROXY_HEADER_BYTES as u64);
        assert_eq!(bytes.len() - rest.len(), 8 + length, "no byte of the client is taken");
        let mut again = Vec::new();
        header.write(&mut again).await.expect("written");
        if again.len() as u64 <= 8 + PROXY_HEADER_BYTES as u64 {
            assert_eq!(ProxyHeader::read(&mut &*again).await.expect("read again"), header);
        }
    });
});
