//! The page names the providers that the code knows, and no others.

use super::schemes::SCHEMES;
use super::*;

#[test]
fn the_page_lists_the_providers() {
    assert!(PROVIDERS.is_sorted());
    assert_eq!(PROVIDERS.len(), 69);
    assert!(SCHEMES.iter().map(|(name, _)| name).is_sorted());
    assert!(SCHEMES.iter().all(|(name, _)| PROVIDERS.contains(name)));
}
