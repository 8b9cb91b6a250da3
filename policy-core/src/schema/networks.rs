//! CIDR entries: the one door through which networks come in from texts.

use super::texts::Text;
use super::{Context, Kind};
use crate::cel::{TemplatePart, is_template};
use crate::diagnostic::{Code, Diagnostic, OddCharacter, Severity, codes, plain, shown_address};
use crate::lpm::{CidrError, ParsedCidr, Slip, alone, cidr, slip};
use crate::parse::NodeRef;
use crate::reader::{Reader, TextRef, constant_name, placeholder};
use crate::source::{Span, Spanned};

codes! {
    static INVALID_CIDR = error("TP431", "invalid-cidr", ERR_NGROK_362, ERR_NGROK_1406, ERR_NGROK_2217);
    static BARE_ADDRESS = warning("TP432", "bare-address", ERR_NGROK_1413);
    pub(crate) static HOST_BITS = warning("TP433", "host-bits", ERR_NGROK_1409);
    static ZONE_ID = error("TP435", "zone-id", ERR_NGROK_1406);
}

/// An entry of a list, readable, with its place.
pub type CidrItem = Spanned<ipnetwork::IpNetwork>;

/// A network.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Network;

impl Kind for Network {
    type Value = CidrItem;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<CidrItem> {
        let text = cx.reader.text(node, what)?;
        let entry = report_entry(text, cx.reader)?;
        Some(Spanned::new(entry.network, text.span))
    }

    fn describe(&self) -> String {
        "a network such as `203.0.113.0/24`".to_owned()
    }
}

/// A network, or a text with `${…}` that gives one.
#[derive(Clone, Debug)]
pub(crate) enum NetworkItem {
    /// Known now.
    Static(CidrItem),
    /// Known for each connection.
    Dynamic(Text),
}

/// A [`NetworkItem`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct NetworkOrTemplate;

impl Kind for NetworkOrTemplate {
    type Value = NetworkItem;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<NetworkItem> {
        let text = cx.reader.text(node, what)?;
        if is_template(text.value) {
            let read = cx.template(text, crate::cel::FieldType::Text)?;
            return check_dynamic(&read, cx).then_some(NetworkItem::Dynamic(read));
        }
        let entry = report_entry(text, cx.reader)?;
        Some(NetworkItem::Static(Spanned::new(entry.network, text.span)))
    }

    fn describe(&self) -> String {
        Network.describe()
    }

    fn interpolates(&self) -> bool {
        true
    }
}

/// What can be said of a network that is known for each connection only: whatever its expressions give, what is written
/// around them stays.
fn check_dynamic(read: &Text, cx: &Context<'_, '_>) -> bool {
    let written: String = read
        .template
        .parts()
        .iter()
        .map(|part| match part {
            TemplatePart::Text(text) => text,
            TemplatePart::Expression(_) => "",
        })
        .collect();
    let error = |why: String| {
        let message = format!("this is not a network, whatever `${{…}}` gives: {why}");
        let found = Diagnostic::new(&INVALID_CIDR, read.span, message);
        cx.reader.report(found.with_help("write e.g. `${conn.client_ip}/32`"));
        false
    };
    if let Some(odd) = written.chars().find(|c| !(c.is_ascii_hexdigit() || matches!(c, '.' | ':' | '/'))) {
        return error(format!("a network has no {odd:?}"));
    }
    if let Some(number) = wrong_number(read.template.parts()) {
        return error(format!("`{number}` is not a number of an address"));
    }
    // The length that is written to its end.
    let length = match read.template.parts().last() {
        Some(TemplatePart::Text(end)) => end.split_once('/').map(|(_, length)| length),
        _ => None,
    };
    let Some(length) = length else { return true };
    let address = written.split('/').next().unwrap_or_default();
    // With the longest address of its family.
    let any = if address.contains(':') || !address.contains('.') { "::" } else { "0.0.0.0" };
    match cidr(&format!("{any}/{length}")) {
        Err(why) => error(why.to_string()),
        Ok(entry) if any == "::" && address.is_empty() && entry.network.prefix() > 32 => {
            let message =
                format!("no IPv4 address has a network of the length {length}: the run fails for each");
            let found = Diagnostic::new(&INVALID_CIDR, read.span, message).with_severity(Severity::Warning);
            cx.reader
                .report(found.with_help("leave the length out: an address alone is a network of its own"));
            true
        }
        Ok(_) => true,
    }
}

/// A number of an IPv4 address that is written out and is none: greater than 255, or with a zero in front.
fn wrong_number(parts: &[TemplatePart]) -> Option<String> {
    const GIVEN: char = '$';
    let text: String = parts
        .iter()
        .map(|part| match part {
            TemplatePart::Text(text) => text.to_string(),
            TemplatePart::Expression(_) => GIVEN.to_string(),
        })
        .collect();
    let address = text.split('/').next().filter(|address| !address.contains(':'))?;
    let wrong = |number: &&str| {
        let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        digits && (number.len() > 1 && number.starts_with('0') || number.parse::<u8>().is_err())
    };
    address.contains('.').then(|| address.split('.').find(wrong).map(ToOwned::to_owned))?
}

/// Reads one entry and reports what is odd about it.
fn report_entry(text: TextRef<'_>, reader: &Reader<'_>) -> Option<ParsedCidr> {
    let span = text.span;
    let entry = match cidr(text.value) {
        Ok(entry) => entry,
        Err(error) => {
            if placeholder(text, Severity::Error, reader) || constant_name(text, text.value, reader) {
                return None;
            }
            reader.report(not_a_network(text.value, error, span));
            return None;
        }
    };
    let severity = if reader.options().strict { Severity::Error } else { Severity::Warning };
    if entry.bare {
        reader.report(bare_address(text, &entry).with_severity(severity));
    } else if entry.host_bits {
        let found = host_bits(&shown_address(text.value), &entry, span, text.content);
        reader.report(found.with_severity(severity));
    }
    Some(entry)
}

/// Says how an address alone is read.
fn bare_address(text: TextRef<'_>, entry: &ParsedCidr) -> Diagnostic {
    let word = shown_address(text.value);
    let network = entry.network;
    if network.ip().is_unspecified() {
        let message = format!("`{word}` alone is one address, which no client has, and matches nobody");
        let help = format!("write `{}` for all addresses of its family", alone(network.ip()));
        return Diagnostic::new(&BARE_ADDRESS, text.span, message).with_help(help);
    }
    let length = if text.value.contains(':') { 128 } else { 32 };
    let fix = format!("{}/{length}", text.value);
    let message = format!("`{word}` has no prefix length; it is read as /{length}");
    Diagnostic::new(&BARE_ADDRESS, text.span, message).with_help(format!("write `{fix}`")).with_fix_at(
        true,
        text.content,
        fix,
    )
}

/// The code of an entry that is no network.
pub(crate) fn code_of(error: CidrError) -> &'static Code {
    if error == CidrError::Zone { &ZONE_ID } else { &INVALID_CIDR }
}

/// Says why an entry is no network.
pub(crate) fn not_a_network(text: &str, error: CidrError, span: Span) -> Diagnostic {
    let word = shown_address(text);
    let message = match error {
        CidrError::Zone => format!("`{word}` has a zone id, which means nothing to another machine"),
        _ => format!("`{word}` is not a network: {error}"),
    };
    Diagnostic::new(code_of(error), span, message).with_help(network_help(text, error))
}

/// What to write in place of an entry that is no network.
fn network_help(text: &str, error: CidrError) -> String {
    // Longer ones are no networks with a slip.
    const MAX_LENGTH: usize = 64;
    let word = text.get(..text.floor_char_boundary(MAX_LENGTH)).unwrap_or(text);
    if let Some(odd) = OddCharacter::in_text(word) {
        return format!("write `{}`: {odd}", shown_address(plain(word).trim()));
    }
    if crate::ip_policy::is_id(word) {
        return "an IP policy is named under `ip_policies`, not in a list of networks".to_owned();
    }
    match error {
        CidrError::Zone => {
            return "give the global address; a link-local one reaches no other network".to_owned();
        }
        CidrError::LeadingZero | CidrError::AddressZero => {
            if let Some(Slip::Networks(networks, _)) = slip(word) {
                let decimal = networks.join("`, `");
                return format!(
                    "write `{decimal}`, if that is meant: some programs read such numbers as octal"
                );
            }
            return "write the number without zeros in front".to_owned();
        }
        CidrError::Mask { length: None } => {
            return "write a length such as `/24`; the bits of this mask are not in a row".to_owned();
        }
        CidrError::TooLong { max } => return format!("write a length from 0 to {max}"),
        _ => {}
    }
    match slip(word) {
        Some(slip) => slip.help(""),
        None if word.contains(',') => "write each network as an entry of its own".to_owned(),
        None => "write e.g. `203.0.113.0/24` or `2001:db8::/32`".to_owned(),
    }
}

/// Says that an entry has host bits set; `content` is where it stands letter by letter.
pub(crate) fn host_bits(word: &str, entry: &ParsedCidr, span: Span, content: Option<Span>) -> Diagnostic {
    let network = entry.network.to_string();
    if entry.mapped {
        // Its network says nothing of the IPv4 addresses that its author has in mind.
        let message = format!(
            "`{word}` is IPv6 and shorter than the 96 bits of mapped addresses: it matches no IPv4 client"
        );
        return Diagnostic::new(&HOST_BITS, span, message)
            .with_help("write the IPv4 network itself, e.g. `10.0.0.0/8`; of a mapped one at least /96");
    }
    Diagnostic::new(&HOST_BITS, span, format!("`{word}` has host bits set; the network is `{network}`"))
        .with_help(format!("write `{network}`"))
        .with_fix_at(true, content, network)
}
