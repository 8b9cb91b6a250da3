//! Configurations of edges as commands read them: with their policy files, IP policies and lists.

use std::path::Path;

use policy_core::check::CheckOptions;
use policy_core::diagnostic::Diagnostics;
use policy_core::edge::{EdgeFiles, load_edge_files};
use policy_core::network::Network;
use policy_core::source::Source;

use crate::exit::Failure;
use crate::files::{Given, folder_of, read_named};
use crate::lists;
use crate::render::text::say_findings;

/// The endpoints of an edge, as the edge loads them: what only refuses more is no error.
pub(crate) fn of_edge(given: &Given, path: &Path) -> Result<Network, Failure> {
    let folder = folder_of(path);
    let mut named = |name: &str| read_named(folder, name);
    let mut list = |file: &str, name: &str, feed: &mut dyn FnMut(&[u8])| {
        lists::read_named(folder_of(&folder.join(file)), name, feed)
    };
    let mut options = CheckOptions::default();
    options.serving = true;
    let EdgeFiles { usable, findings, policies, .. } =
        load_edge_files(&given.source, &options, &mut named, &mut list);
    match usable {
        Some((config, programs)) => Ok(Network::of_edge(given.source.name(), &config, &programs)),
        None => Err(unusable(given, findings, policies)),
    }
}

/// Says what is wrong with a configuration that cannot be used.
pub(crate) fn unusable(given: &Given, found: Diagnostics, policies: Vec<(Source, Diagnostics)>) -> Failure {
    say_findings(&given.shown_with(found, policies));
    Failure::Usage(format!("`{}` is not a usable configuration", given.source.name()))
}
