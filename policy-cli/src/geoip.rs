//! Databases in the format of MaxMind: what they know of an address, as facts.
//!
//! A file is read whole and may be anything: what is broken in it is an error of the call. A fact that no record of a file
//! has is none of its facts; where a record of others lacks one, or an address has no record, the fact is empty.

mod record;

use std::fmt;
use std::io::Read;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use maxminddb::{LookupResult, Reader, WithinOptions};
use policy_core::cel::Value;
use policy_core::diagnostic::printable;
use policy_core::facts::Fact;
use policy_core::named_file::reason;

use crate::exit::Failure;
use crate::files::{open, shown};
use record::{KINDS, Part};

/// Bytes of a file; the largest that are sold have about as many.
const MAX_BYTES: u64 = 1 << 30;
/// Networks that are looked at to tell which facts a file has, from the lowest address on.
const MAX_NETWORKS: usize = 4_096;
/// Records that are read for that, of these networks and of addresses all over.
const MAX_RECORDS: usize = 256;

/// One file.
pub(crate) struct Database {
    name: String,
    reader: Reader<Vec<u8>>,
    /// Which of the kinds of facts it has, in their order.
    has: Vec<bool>,
}

/// All files of a call.
#[derive(Default)]
pub(crate) struct Databases {
    files: Vec<Database>,
    facts: Vec<(Fact, Whose, usize)>,
}

/// Whose address a fact is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Client,
    Server,
}

impl Databases {
    /// Reads files.
    pub(crate) fn read(paths: &[PathBuf]) -> Result<Self, Failure> {
        paths.iter().map(|path| Database::read(path)).collect::<Result<_, _>>().map(Self::new)
    }

    fn new(files: Vec<Database>) -> Self {
        let mut facts = Vec::new();
        for (at, kind) in KINDS.iter().enumerate().filter(|_| !files.is_empty()) {
            let paths = kind.facts.iter().map(|path| (format!("conn.{path}"), Whose::Client));
            let of_server = kind.facts.iter().filter_map(|path| path.strip_prefix("client_ip."));
            let paths = paths.chain(of_server.map(|path| (format!("conn.server_ip.{path}"), Whose::Server)));
            let known =
                paths.filter_map(|(path, whose)| Some((policy_core::variables::fact(&path)?, whose, at)));
            facts.extend(known);
        }
        Self { files, facts }
    }

    /// True if there are no files.
    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// What they know of the addresses of a connection.
    pub(crate) fn about(&self, client: IpAddr, server: Option<IpAddr>) -> GeoFacts<'_> {
        let records = self.files.iter().map(|_| Default::default()).collect();
        let values = self.facts.iter().map(|_| OnceLock::new()).collect();
        GeoFacts { databases: self, client, server, records, values, failure: OnceLock::new() }
    }
}

impl Database {
    fn read(path: &Path) -> Result<Self, Failure> {
        let name = shown(path);
        let unreadable = |why: &str| Failure::Usage(format!("cannot read `{name}`: {why}"));
        let mut bytes = Vec::new();
        let read = open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes));
        read.map_err(|error| unreadable(&reason(&error)))?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(unreadable(&format!("it is longer than {MAX_BYTES} bytes")));
        }
        Self::new(name.clone(), bytes).map_err(|why| {
            Failure::Usage(format!(
                "`{name}` is not a usable database in the format of MaxMind (mmdb): {why}"
            ))
        })
    }

    /// From the bytes of a file, which may be any.
    fn new(name: String, bytes: Vec<u8>) -> Result<Self, String> {
        let reader = Reader::from_source(bytes).map_err(|error| told(&error))?;
        let mut file = Self { name, reader, has: vec![false; KINDS.len()] };
        file.look_around()?;
        match file.has.contains(&true) {
            true => Ok(file),
            false => {
                let kind = printable(&file.reader.metadata().database_type).into_owned();
                Err(format!("it has neither places nor autonomous systems, and says it is `{kind}`"))
            }
        }
    }

    /// Finds out which facts the file has. O(networks that are looked at).
    fn look_around(&mut self) -> Result<(), String> {
        let mut has = std::mem::take(&mut self.has);
        // With everything there is, so that no step goes on without end in a tree that is broken.
        let all = WithinOptions::default().include_networks_without_data().include_aliased_networks();
        let networks = self.reader.networks(all).map_err(|error| told(&error))?;
        let mut records = 0;
        for found in networks.take(MAX_NETWORKS) {
            let found = found.map_err(|error| told(&error))?;
            records += usize::from(found.has_data());
            look(&found, &mut has)?;
            if records == MAX_RECORDS {
                break;
            }
        }
        // Of large files these are a corner only.
        for address in (0..MAX_RECORDS).filter_map(|at| u8::try_from(at).ok()) {
            let v6 = [0x2000 | u16::from(address) << 4, 0, 0, 0, 0, 0, 0, 1];
            for address in [IpAddr::from([address, 32, 1, 1]), IpAddr::from(v6)] {
                if let Some(found) = self.lookup(address)? {
                    look(&found, &mut has)?;
                }
            }
        }
        self.has = has;
        Ok(())
    }

    /// False for IPv6 in a file of IPv4 alone: it is no source for such addresses.
    fn has_family(&self, address: IpAddr) -> bool {
        address.is_ipv4() || self.reader.metadata().ip_version != 4
    }

    fn lookup(&self, address: IpAddr) -> Result<Option<LookupResult<'_, Vec<u8>>>, String> {
        if !self.has_family(address) {
            return Ok(None);
        }
        let found = self.reader.lookup(address).map_err(|error| told(&error))?;
        Ok(found.has_data().then_some(found))
    }

    /// The record of an address.
    fn record(&self, address: IpAddr) -> Result<Option<Part>, String> {
        let read = || self.lookup(address)?.map_or(Ok(None), |found| record_of(&found));
        read().map_err(|why| format!("`{}`: the record of {address} cannot be read: {why}", self.name))
    }
}

/// Notes which facts a record has.
fn look(found: &LookupResult<'_, Vec<u8>>, has: &mut [bool]) -> Result<(), String> {
    if let Some(record) = record_of(found)? {
        KINDS.iter().zip(has).for_each(|(kind, has)| *has |= kind.value(&record).is_some());
    }
    Ok(())
}

fn record_of(found: &LookupResult<'_, Vec<u8>>) -> Result<Option<Part>, String> {
    found.decode().map_err(|error| told(&error))
}

/// An error of the reader; it may repeat what stands in the file.
fn told(error: &maxminddb::MaxMindDbError) -> String {
    let text: String = error.to_string().chars().take(200).collect();
    printable(&text).into_owned()
}

/// What databases know of the addresses of one connection, looked up when it is read.
pub(crate) struct GeoFacts<'d> {
    databases: &'d Databases,
    client: IpAddr,
    server: Option<IpAddr>,
    /// By the files: the records of client and server.
    records: Box<[[OnceLock<Option<Part>>; 2]]>,
    /// By the facts of the databases.
    values: Box<[OnceLock<Option<Value>>]>,
    failure: OnceLock<String>,
}

impl fmt::Debug for GeoFacts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GeoFacts")
            .field("client", &self.client)
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

impl GeoFacts<'_> {
    /// A fact, if a file has such facts.
    pub(crate) fn get(&self, fact: Fact) -> Option<&Value> {
        let at = self.databases.facts.iter().position(|(known, ..)| *known == fact)?;
        let (_, whose, kind) = self.databases.facts.get(at)?;
        let address = match whose {
            Whose::Client => self.client,
            Whose::Server => self.server?,
        };
        self.values.get(at)?.get_or_init(|| self.find(*whose, *kind, address.to_canonical())).as_ref()
    }

    /// A fact of an address: of the first file that has a value, else empty if any file has such facts.
    fn find(&self, whose: Whose, kind_at: usize, address: IpAddr) -> Option<Value> {
        let kind = KINDS.get(kind_at)?;
        let mut nothing = None;
        for (file, records) in self.databases.files.iter().zip(&self.records) {
            if file.has.get(kind_at) != Some(&true) || !file.has_family(address) {
                continue;
            }
            let [client, server] = records;
            let record = if whose == Whose::Client { client } else { server };
            let record = record.get_or_init(|| {
                file.record(address).unwrap_or_else(|why| {
                    self.failure.get_or_init(|| why);
                    None
                })
            });
            match record.as_ref().and_then(|record| kind.value(record)) {
                Some(value) => return Some(value),
                None => nothing = Some(kind.nothing()),
            }
        }
        nothing
    }

    /// What could not be read.
    pub(crate) fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }
}

/// True for facts that databases may have.
pub(crate) fn may_give(fact: Fact) -> bool {
    let path = fact.path().strip_prefix("conn.").unwrap_or_default();
    let path =
        path.strip_prefix("server_ip.").map_or_else(|| path.to_owned(), |path| format!("client_ip.{path}"));
    KINDS.iter().any(|kind| kind.facts.contains(&&*path))
}

#[cfg(test)]
mod tests;
