//! What is meant by texts that are no networks: ranges, stars, ports, masks, short forms.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{CidrError, cidr, range_networks};

/// Longer texts are no networks with a slip.
const MAX_BYTES: usize = 100;
/// More networks are too many to be written in a message.
const MAX_NETWORKS: usize = 6;

/// What a text that is no network is meant to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Slip {
    /// These networks, and why.
    Networks(Vec<String>, &'static str),
    /// A range that takes many networks: its first and last.
    LongRange,
    /// Several entries in one.
    Several,
    /// Nothing that an address list can hold; what to do.
    Other(&'static str),
}

/// What a text is meant to be, as far as that is clear.
pub(crate) fn slip(text: &str) -> Option<Slip> {
    let word = text.trim().trim_end_matches([',', ';']).trim();
    if word.is_empty() || text.len() > MAX_BYTES {
        return None;
    }
    let one = |network: String, why: &'static str| {
        cidr(&network).is_ok().then(|| Slip::Networks(vec![network], why))
    };
    let dense: String = word.chars().filter(|c| !c.is_whitespace()).collect();
    if (dense.contains('/') || dense == word) && cidr(&dense).is_ok() {
        return one(with_length(&dense), "without spaces");
    }
    let split = |c: char| c.is_whitespace() || matches!(c, ',' | ';' | '|');
    if word.split(split).filter(|part| !part.is_empty()).all(|part| cidr(part).is_ok()) {
        return Some(Slip::Several);
    }
    range(word)
        .or_else(|| everyone(word))
        .or_else(|| stars(word))
        .or_else(|| one(with_length(&without_zeros(&dense)), "numbers without zeros in front"))
        .or_else(|| {
            one(with_length(&address_of(word)?), "an address alone, without port, brackets or scheme")
        })
        .or_else(|| one(network_of(&dense)?, "a network alone, without brackets or scheme"))
        .or_else(|| one(dense.replace('\\', "/"), "with `/` before the length"))
        .or_else(|| one(with_length(dense.trim_end_matches('.')), "without the point at the end"))
        .or_else(|| one(short_form(&dense)?, "all four numbers written"))
        .or_else(|| one(with_mask(&dense)?, "the mask as a length"))
        .or_else(|| other(word))
}

/// An entry with the length of one address if it has none; of the address that stands for all, with none of its bits.
fn with_length(text: &str) -> String {
    match text.parse::<IpAddr>() {
        Ok(address) => alone(address),
        Err(_) => text.to_owned(),
    }
}

/// The network that an address alone means.
pub(crate) fn alone(address: IpAddr) -> String {
    match address {
        _ if address.to_canonical().is_unspecified() => format!("{}/0", address.to_canonical()),
        IpAddr::V4(_) => format!("{address}/32"),
        IpAddr::V6(_) => format!("{address}/128"),
    }
}

/// `10.0.0.1-10.0.0.9`, `10.0.0.1-9`, `10.0.0.1..10.0.0.9`.
fn range(word: &str) -> Option<Slip> {
    let (first, last) = ["-", "–", "..", " to "].iter().find_map(|dash| word.split_once(dash))?;
    let first: IpAddr = first.trim().parse().ok()?;
    let last = last.trim();
    let last: IpAddr = last.parse().ok().or_else(|| {
        let IpAddr::V4(first) = first else { return None };
        let [a, b, c, _] = first.octets();
        last.parse().ok().map(|last| Ipv4Addr::new(a, b, c, last).into())
    })?;
    if first > last {
        return Some(Slip::Other("a range has its lower address first, and is written as networks"));
    }
    let networks = range_networks(first, last);
    match networks.len() {
        0 => None,
        1..=MAX_NETWORKS => {
            let networks = networks.iter().map(ToString::to_string).collect();
            Some(Slip::Networks(networks, "a range as networks"))
        }
        _ => Some(Slip::LongRange),
    }
}

fn everyone(word: &str) -> Option<Slip> {
    let all = || Slip::Networks(vec!["0.0.0.0/0".to_owned(), "::/0".to_owned()], "these are all addresses");
    matches!(word.to_ascii_lowercase().as_str(), "*" | "any" | "all" | "everyone" | "anywhere").then(all)
}

/// `10.0.0.*`, `10.0.x.x`, `10.*`, `2001:db8::*`.
fn stars(word: &str) -> Option<Slip> {
    let why = "the stars as a length";
    if let Some(front) = word.strip_suffix('*').and_then(|front| front.strip_suffix(':')) {
        let front = front.trim_end_matches(':');
        let groups = front.split(':').filter(|group| !group.is_empty()).count();
        let network = format!("{front}::/{}", groups * 16);
        return cidr(&network).is_ok().then(|| Slip::Networks(vec![network], why));
    }
    let star = |part: &&str| matches!(*part, "*" | "x" | "X" | "%");
    let parts: Vec<&str> = word.split('.').collect();
    let known: Vec<&str> = parts.iter().copied().take_while(|part| !star(part)).collect();
    let rest = parts.get(known.len()..)?;
    let bare = known.is_empty() && !rest.iter().all(|part| *part == "*");
    if rest.is_empty() || parts.len() > 4 || bare || !rest.iter().all(star) {
        return None;
    }
    let network = padded(&known)?;
    Some(Slip::Networks(vec![format!("{network}/{}", known.len() * 8)], why))
}

/// Up to four numbers of an address, with zeros after them.
fn padded(numbers: &[&str]) -> Option<Ipv4Addr> {
    let mut octets = [0_u8; 4];
    for (slot, number) in octets.iter_mut().zip(numbers) {
        *slot = number.parse().ok()?;
    }
    (numbers.len() <= 4).then(|| octets.into())
}

/// `10/8`, `10.0/16`, `192.168.1`.
fn short_form(word: &str) -> Option<String> {
    let (address, length) = word.split_once('/').map_or((word, None), |(a, length)| (a, Some(length)));
    let numbers: Vec<&str> = address.trim_end_matches('.').split('.').collect();
    // A number alone is none.
    if numbers.len() > 3 || length.is_none() && numbers.len() < 2 {
        return None;
    }
    let bits = (numbers.len() * 8).to_string();
    Some(format!("{}/{}", padded(&numbers)?, length.unwrap_or(&bits)))
}

/// Leading zeros of the numbers of an entry left out.
fn without_zeros(word: &str) -> String {
    let (address, length) = word.split_once('/').map_or((word, None), |(a, length)| (a, Some(length)));
    let short = |number: &str| match number.trim_start_matches('0') {
        "" if number.is_empty() => String::new(),
        "" => "0".to_owned(),
        rest => rest.to_owned(),
    };
    let address = match address.contains(':') {
        true => address.to_owned(),
        false => address.split('.').map(short).collect::<Vec<_>>().join("."),
    };
    length.map_or(address.clone(), |length| format!("{address}/{}", short(length)))
}

/// The address in `10.0.0.1:22`, `[::1]:22`, `[::1]`, `https://10.0.0.1/`.
fn address_of(word: &str) -> Option<String> {
    let rest = word.split_once("://").map_or(word, |(_, rest)| rest.trim_end_matches('/'));
    let socket = rest.parse::<SocketAddr>().map(|socket| socket.ip().to_string());
    let bare = rest.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let inner = || bare.and_then(|inner| inner.parse::<Ipv6Addr>().ok()).map(|ip| ip.to_string());
    let plain = || rest.parse::<IpAddr>().ok().map(|ip| ip.to_string());
    socket.ok().or_else(inner).or_else(plain)
}

/// A network with brackets around its address, or after a scheme.
fn network_of(word: &str) -> Option<String> {
    let rest = word.split_once("://").map_or(word, |(_, rest)| rest.trim_end_matches('/'));
    let (address, length) = rest.split_once('/')?;
    let bare = address.strip_prefix('[').and_then(|address| address.strip_suffix(']')).unwrap_or(address);
    Some(format!("{bare}/{length}"))
}

fn with_mask(word: &str) -> Option<String> {
    match cidr(word) {
        Err(CidrError::Mask { length: Some(length) }) => {
            Some(format!("{}/{length}", word.split('/').next().unwrap_or_default()))
        }
        _ => None,
    }
}

fn other(word: &str) -> Option<Slip> {
    if word.strip_prefix('!').is_some_and(|network| cidr(network.trim_start()).is_ok()) {
        return Some(Slip::Other(
            "`!` means nothing in a list: write the network into the other list, without `!`",
        ));
    }
    let numbers: Vec<&str> = word.split(['.', '/']).take(4).collect();
    let digits = |part: &&str| !part.is_empty() && part.len() < 4 && part.bytes().all(|b| b.is_ascii_digit());
    if word.split('/').next()?.split('.').count() == 4 && numbers.iter().all(digits) {
        let large = numbers.iter().any(|number| number.parse::<u8>().is_err());
        return large.then_some(Slip::Other("each number of an IPv4 address is at most 255"));
    }
    if word.eq_ignore_ascii_case("localhost") {
        return Some(Slip::Other("the addresses of this machine are `127.0.0.0/8` and `::1/128`"));
    }
    let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    let is_name =
        word.contains('.') && word.chars().all(name) && word.ends_with(|c: char| c.is_ascii_alphabetic());
    is_name.then_some(Slip::Other("a list holds addresses, no names: write the networks of this host"))
}

impl Slip {
    /// What to write, with each network between these marks.
    pub(crate) fn help(&self, quote: &str) -> String {
        match self {
            Self::Networks(networks, why) => {
                let shown: Vec<String> = networks.iter().map(|it| format!("`{quote}{it}{quote}`")).collect();
                match shown.split_last() {
                    Some((last, [])) => format!("write {last}: {why}"),
                    Some((last, rest)) => format!("write {} and {last}: {why}", rest.join(", ")),
                    None => String::new(),
                }
            }
            Self::LongRange => {
                "write the range as networks with a prefix length, or its nearest network".to_owned()
            }
            Self::Several => "write each network as an entry of its own".to_owned(),
            Self::Other(help) => (*help).to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_networks_as_they_are_meant() {
        for (text, right) in [
            ("10.0.0.0 /8", "10.0.0.0/8"),
            (" 10.0.0.0/8,", "10.0.0.0/8"),
            ("10.0.0.0/08", "10.0.0.0/8"),
            ("010.000.0.01", "10.0.0.1/32"),
            ("10.0.0.0\\8", "10.0.0.0/8"),
            ("10.0.0.1:22", "10.0.0.1/32"),
            ("[2001:db8::1]:22", "2001:db8::1/128"),
            ("[::1]", "::1/128"),
            ("https://10.0.0.1/", "10.0.0.1/32"),
            ("10.0.0.*", "10.0.0.0/24"),
            ("10.0.x.x", "10.0.0.0/16"),
            ("10.*", "10.0.0.0/8"),
            ("*.*.*.*", "0.0.0.0/0"),
            ("2001:db8::*", "2001:db8::/32"),
            ("10/8", "10.0.0.0/8"),
            ("192.168.1", "192.168.1.0/24"),
            ("10.0.0.0/8.", "10.0.0.0/8"),
            ("10.0.0.0/255.255.0.0", "10.0.0.0/16"),
            ("10.0.0.0-10.0.0.255", "10.0.0.0/24"),
            ("10.0.0.0 - 10.0.0.3", "10.0.0.0/30"),
            ("10.0.0.4-7", "10.0.0.4/30"),
        ] {
            let Some(Slip::Networks(networks, _)) = slip(text) else { panic!("{text}: {:?}", slip(text)) };
            assert_eq!(networks, [right], "{text}");
        }
        let range = slip("10.0.0.1-10.0.0.9").map(|slip| slip.help("")).unwrap_or_default();
        assert!(range.contains("`10.0.0.1/32`, `10.0.0.2/31`, `10.0.0.4/30` and `10.0.0.8/31`"), "{range}");
        let all = slip("any").map(|slip| slip.help("'"));
        assert_eq!(all.as_deref(), Some("write `'0.0.0.0/0'` and `'::/0'`: these are all addresses"));
    }

    #[test]
    fn what_is_not_clear_is_not_guessed() {
        assert_eq!(slip("10.0.0.1 10.0.0.2"), Some(Slip::Several));
        assert_eq!(slip("10.0.0.0/8,10.1.0.0/16"), Some(Slip::Several));
        assert_eq!(slip("10.0.0.1-10.99.0.7"), Some(Slip::LongRange));
        for text in ["10.0.0.9-10.0.0.1", "10.0.0.256", "localhost", "example.com"] {
            assert!(matches!(slip(text), Some(Slip::Other(_))), "{text}: {:?}", slip(text));
        }
        for text in
            ["", "10", "10.0.0.0/33", "10.0.0.0/8/16", "1.2.3.4.5", "abc", "-", "::/129", "10.*.0.1", "x"]
        {
            assert_eq!(slip(text), None, "{text}");
        }
    }

    #[test]
    fn the_address_of_nobody_stands_for_all() {
        let of = |text: &str| alone(text.parse().expect("an address"));
        assert_eq!(
            ["0.0.0.0", "::", "10.0.0.1", "::1"].map(of),
            ["0.0.0.0/0", "::/0", "10.0.0.1/32", "::1/128"]
        );
    }
}
