//! Names that facts have from outside: categories of addresses, codes of countries.
//!
//! Source: ngrok documentation, IP intelligence (2026-08-07), which lists 309 categories; ISO 3166-1 (2026), and `XK`,
//! which MaxMind gives for Kosovo.

use crate::diagnostic::did_you_mean;

/// The categories; of a `*` any one name can take the place: services of Azure, continents.
const CATEGORIES: &[&str] = &[
    "ai.perplexity.bot.ipv4",
    "ai.perplexity.user.ipv4",
    "blocklist.blocklist_de",
    "blocklist.blocklist_de.apache",
    "blocklist.blocklist_de.bots",
    "blocklist.blocklist_de.bruteforcelogin",
    "blocklist.blocklist_de.ftp",
    "blocklist.blocklist_de.imap",
    "blocklist.blocklist_de.mail",
    "blocklist.blocklist_de.sip",
    "blocklist.blocklist_de.ssh",
    "blocklist.blocklist_de.strongips",
    "blocklist.com.cinsscore.army",
    "blocklist.firehol_org.abusers_1d",
    "blocklist.firehol_org.abusers_30d",
    "blocklist.firehol_org.level_1",
    "blocklist.firehol_org.level_2",
    "blocklist.firehol_org.level_3",
    "blocklist.firehol_org.level_4",
    "blocklist.firehol_org.webserver",
    "blocklist.greensnow_co",
    "blocklist.net.emergingthreats.compromised_ips",
    "blocklist.org.spamhaus.drop.ipv4",
    "blocklist.org.spamhaus.drop.ipv6",
    "blocklist.org.team_cymru.fullbogons.ipv4",
    "blocklist.org.team_cymru.fullbogons.ipv6",
    "blocklist.stopforumspam",
    "com.ahrefs",
    "com.algolia.crawer",
    // The name that the documentation writes in one example, and the spelling that is meant.
    "com.algolia.crawler",
    "com.anthropic.api",
    "com.apple.applebot.ipv4",
    "com.apple.icloud-private-relay",
    "com.atlassian.bitbucket",
    "com.atlassian.confluence",
    "com.atlassian.email",
    "com.atlassian.forge",
    "com.atlassian.halp",
    "com.atlassian.jira",
    "com.atlassian.loom",
    "com.atlassian.opsgenie",
    "com.atlassian.statuspage",
    "com.atlassian.trello",
    "com.aws",
    "com.aws.sns",
    "com.aws.us-east-1.sns",
    "com.aws.us-east-2.sns",
    "com.aws.us-west-1.sns",
    "com.aws.us-west-2.sns",
    "com.betterstack.betteruptimebot",
    "com.bing.bingbot.ipv4",
    "com.brevo.webhooks",
    "com.cloudflare.ipv4",
    "com.cloudflare.ipv6",
    "com.criteo.criteobot",
    "com.datadog",
    "com.datadog.agents",
    "com.datadog.api",
    "com.datadog.apm",
    "com.datadog.global",
    "com.datadog.logs",
    "com.datadog.orchestrator",
    "com.datadog.process",
    "com.datadog.remote-configuration",
    "com.datadog.synthetics",
    "com.datadog.synthetics-private-locations",
    "com.datadog.webhooks",
    "com.delinea.ipv4",
    "com.delinea.ipv6",
    "com.digitalocean",
    "com.duckduckgo.duckduckbot",
    "com.facebook.crawler",
    "com.fastly.ipv4",
    "com.fastly.ipv6",
    "com.github.actions",
    "com.github.actions_macos",
    "com.github.api",
    "com.github.codespaces",
    "com.github.copilot",
    "com.github.dependabot",
    "com.github.git",
    "com.github.github_enterprise_importer",
    "com.github.hooks",
    "com.github.importer",
    "com.github.packages",
    "com.github.pages",
    "com.github.web",
    "com.gitlab.webhooks",
    "com.google.googlebot.ipv4",
    "com.google.googlebot.ipv6",
    "com.google.ipv4",
    "com.google.ipv6",
    "com.ibm.advmon_nimsoft",
    "com.ibm.evault",
    "com.ibm.file_block",
    "com.ibm.icos",
    "com.ibm.ims",
    "com.ibm.rhel",
    "com.ibm.service_network",
    "com.ibm.ssl_vpn",
    "com.linode",
    "com.meta.crawler",
    "com.microsoft.azure",
    "com.microsoft.azure.*",
    "com.office.common.china",
    "com.office.common.usgovdod",
    "com.office.common.usgovgcchigh",
    "com.office.common.worldwide",
    "com.office.exchange.china",
    "com.office.exchange.usgovdod",
    "com.office.exchange.usgovgcchigh",
    "com.office.exchange.worldwide",
    "com.office.sharepoint.china",
    "com.office.sharepoint.usgovdod",
    "com.office.sharepoint.usgovgcchigh",
    "com.office.sharepoint.worldwide",
    "com.office.skype.china",
    "com.office.skype.usgovdod",
    "com.office.skype.usgovgcchigh",
    "com.office.skype.worldwide",
    "com.okta.apac",
    "com.okta.ca",
    "com.okta.emea",
    "com.okta.emea_pam",
    "com.okta.in",
    "com.okta.preview",
    "com.okta.preview_pam",
    "com.okta.us",
    "com.okta.us_pam",
    "com.openai.chatgpt.actions.ipv4",
    "com.openai.chatgpt.user.ipv4",
    "com.openai.gptbot.ipv4",
    "com.openai.searchbot.ipv4",
    "com.oracle.object_storage",
    "com.oracle.oci",
    "com.oracle.osn",
    "com.pagerduty.webhooks.eu",
    "com.pagerduty.webhooks.us",
    "com.pingdom.ipv4",
    "com.pingdom.ipv6",
    "com.plaid.webhooks",
    "com.ringcentral",
    "com.salesforce.core",
    "com.salesforce.gov",
    "com.salesforce.hyperforce",
    "com.salesforce.news",
    "com.semrush.semrushbot.siteaudit",
    "com.semrush.splitsignalbot",
    "com.stripe.api",
    "com.stripe.armada_gator",
    "com.stripe.webhooks",
    "com.svix.webhooks",
    "com.teleport",
    "com.telnyx.media",
    "com.telnyx.webhooks",
    "com.uptimerobot.ipv4",
    "com.uptimerobot.ipv6",
    "com.vultr",
    "com.x.twitterbot",
    "com.yandex",
    "com.zendesk",
    "com.zscaler.private.zpa",
    "io.censys.scanners",
    "net.bunny.ipv4",
    "net.bunny.ipv6",
    "net.rssapi",
    "net.zdxbeta.future",
    "net.zdxbeta.hubs.recommended",
    "net.zdxbeta.hubs.required",
    "net.zdxcloud.future",
    "net.zdxcloud.hubs.recommended",
    "net.zdxcloud.hubs.required",
    "net.zdxgov.hubs.recommended",
    "net.zdxgov.hubs.required",
    "net.zdxten.hubs.recommended",
    "net.zdxten.hubs.required",
    "net.zdxten.zpa",
    "net.zpabeta.zpa",
    "net.zpagov.zpa",
    "net.zpatwo.zpa",
    "net.zscaler.cenr.*",
    "net.zscaler.future",
    "net.zscaler.hubs.recommended",
    "net.zscaler.hubs.required",
    "net.zscaler.zpa",
    "net.zscalerbeta.cenr.*",
    "net.zscalerbeta.future",
    "net.zscalerbeta.hubs.recommended",
    "net.zscalerbeta.hubs.required",
    "net.zscalerbeta.zpa",
    "net.zscalergov.cenr.*",
    "net.zscalergov.future",
    "net.zscalergov.hubs.recommended",
    "net.zscalergov.hubs.required",
    "net.zscalergov.zpa",
    "net.zscalerone.cenr.*",
    "net.zscalerone.future",
    "net.zscalerone.hubs.recommended",
    "net.zscalerone.hubs.required",
    "net.zscalerone.zpa",
    "net.zscalerten.cenr.*",
    "net.zscalerten.hubs.recommended",
    "net.zscalerten.hubs.required",
    "net.zscalerten.zpa",
    "net.zscalerthree.cenr.*",
    "net.zscalerthree.future",
    "net.zscalerthree.hubs.recommended",
    "net.zscalerthree.hubs.required",
    "net.zscalerthree.zpa",
    "net.zscalertwo.cenr.*",
    "net.zscalertwo.future",
    "net.zscalertwo.hubs.recommended",
    "net.zscalertwo.hubs.required",
    "net.zscalertwo.zpa",
    "net.zscloud.cenr.*",
    "net.zscloud.future",
    "net.zscloud.hubs.recommended",
    "net.zscloud.hubs.required",
    "net.zscloud.zpa",
    "org.commoncrawl.ccbot",
    "org.telegram",
    "org.webpagetest",
    "proxy.anonymous.firehol_org",
    "proxy.anonymous.tor",
    "proxy.open.firehol_org",
    "proxy.vpn.mullvad",
    "proxy.vpn.nordvpn",
    "proxy.vpn.pia",
    "public.brianhama.bad-asn-list",
    "tech.babbar.barkrowler",
    "us.zoom",
    "us.zoom.apps.ipv4",
    "us.zoom.apps.ipv6",
    "us.zoom.cc.ipv4",
    "us.zoom.cc.ipv6",
    "us.zoom.cdn.ipv4",
    "us.zoom.cdn.ipv6",
    "us.zoom.crc",
    "us.zoom.meetings.ipv4",
    "us.zoom.meetings.ipv6",
    "us.zoom.phone.ipv4",
    "us.zoom.phone.ipv6",
    "us.zoom.zva",
    "us.zpagov.zpa",
];

/// The codes of countries.
const COUNTRIES: &str = "\
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS \
    BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE \
    EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM \
    HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC \
    LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA \
    NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW \
    SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO \
    TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW";

/// Names that take the place of a `*`, as far as they are known: service tags of Azure, continents.
const ANY: &str = "\
    actiongroup apimanagement appconfiguration applicationinsightsavailability appservice appservicemanagement \
    autonomousdevelopmentplatform azuread azureadvancedthreatprotection azurearcinfrastructure azureattestation \
    azurebackup azurebotservice azurecloud azurecognitivesearch azureconnectors azurecontainerappsservice \
    azurecontainerregistry azurecosmosdb azuredatabricks azuredataexplorermanagement azuredatalake \
    azuredeviceupdate azuredevops azuredevspaces azuredigitaltwins azureeventgrid azurefrontdoor \
    azurehealthcareapis azureidentity azureinformationprotection azureiothub azurekeyvault azureloadbalancer \
    azureloadtestinginstancemanagement azuremachinelearning azuremachinelearninginference azuremanagedgrafana \
    azuremonitor azuremonitorforsap azureopendatasets azureportal azureresourcemanager azuresecuritycenter \
    azuresentinel azuresignalr azuresiterecovery azuresphere azurespringcloud azuresql azurestack azurestorage \
    azuretrafficmanager azureupdatedelivery azurevideoanalyzerformedia azurewebpubsub batchnodemanagement \
    changeanalysis chaosstudio cognitiveservicesfrontend cognitiveservicesmanagement containerappsmanagement \
    datafactory datafactorymanagement dynamics365businesscentral dynamics365formarketing eoplocalization eventhub \
    firstparty frontend backend gatewaymanager genevaactions guestandhybridmanagement hdinsight internet \
    kustoanalytics logicapps logicappsmanagement m365managementactivityapi marketplace microsoftazurefluidrelay \
    microsoftcloudappsecurity microsoftcontainerregistry microsoftdefenderforendpoint \
    microsoftpurviewpolicydistribution officescans oneds powerbi powerplatforminfra powerplatformplex \
    powerqueryonline scuba securitycopilot serialconsole servicebus servicefabric sql sqlmanagement storage \
    storagemover storagesyncservice trafficmanager videoindexer virtualdesktop virtualnetwork vscode \
    windowsadmincenter windowsvirtualdesktop \
    africa america americas apac asia australia emea europe north oceania south";

/// True for a category, and for every dotted prefix of one.
pub(super) fn is_category(name: &str) -> bool {
    !name.is_empty() && CATEGORIES.iter().any(|known| lies_on(name, known))
}

/// True if a name is another one or a dotted prefix of it.
fn lies_on(name: &str, known: &str) -> bool {
    let mut known = known.split('.');
    name.split('.').all(|part| match known.next() {
        Some("*") => !part.is_empty(),
        Some(wanted) => part == wanted,
        None => false,
    })
}

/// The category that may be meant: one with the same parts, or with nearly the same letters.
pub(super) fn near_category(name: &str) -> Option<&'static str> {
    let parts = |name: &str| {
        let mut parts: Vec<String> = name.split(['.', '_']).map(str::to_ascii_lowercase).collect();
        parts.sort();
        parts
    };
    let wanted = parts(name);
    let same = CATEGORIES.iter().find(|known| parts(known) == wanted).copied();
    same.or_else(|| same_last(name)).or_else(|| {
        let fits = |known: &&str| !known.contains('*') && resembles(name, known);
        did_you_mean(name, CATEGORIES.iter().flat_map(|known| prefixes(known)).filter(fits))
    })
}

/// The one category with the same last part, and the same first one if there are several parts.
fn same_last(name: &str) -> Option<&'static str> {
    const MIN_LENGTH: usize = 4;
    let (first, last) = (name.split('.').next()?, name.rsplit('.').next()?);
    if first == last && name.len() < MIN_LENGTH && name != "tor" {
        return None;
    }
    let fits = |known: &&&str| {
        let begins = first == last || known.split('.').next() == Some(first);
        begins && known.rsplit('.').next() == Some(last)
    };
    let mut found = CATEGORIES.iter().filter(fits);
    found.next().copied().filter(|_| found.next().is_none() || first == last)
}

/// True if the parts of two names are the same or nearly so, one by one.
fn resembles(name: &str, known: &str) -> bool {
    let near =
        |(a, b): (&str, &str)| a.eq_ignore_ascii_case(b) || did_you_mean(a, std::iter::once(b)).is_some();
    name.split('.').count() == known.split('.').count() && name.split('.').zip(known.split('.')).all(near)
}

/// True if a category or a dotted prefix of one begins with a text.
pub(super) fn begins_category(text: &str) -> bool {
    CATEGORIES.iter().any(|known| match known.split_once('*') {
        Some((open, _)) => open.starts_with(text) || text.starts_with(open),
        None => known.starts_with(text),
    })
}

/// True if a category or a dotted prefix of one ends with a text.
pub(super) fn ends_category(text: &str) -> bool {
    any_category(&|known| known.ends_with(text) || prefixes(known).any(|prefix| prefix.ends_with(text)))
        || in_place_of_any(text)
}

/// True if a category holds a text.
pub(super) fn within_category(text: &str) -> bool {
    any_category(&|known| known.contains(text)) || in_place_of_any(text)
}

/// True if something is true of a category, names of Azure and continents filled in as far as they are known.
fn any_category(test: &dyn Fn(&str) -> bool) -> bool {
    CATEGORIES.iter().any(|known| match known.split_once('*') {
        Some((open, rest)) => ANY.split_whitespace().any(|name| test(&format!("{open}{name}{rest}"))),
        None => test(known),
    })
}

/// True if a text has a name where any one can stand.
fn in_place_of_any(text: &str) -> bool {
    let before = |open: &str| open.trim_end_matches('.').rsplit('.').next().map(|last| format!("{last}."));
    let opens = CATEGORIES.iter().filter_map(|known| known.split_once('*'));
    opens.filter_map(|(open, _)| before(open)).any(|open| text.contains(&open))
}

/// A name and its dotted prefixes.
fn prefixes(name: &str) -> impl Iterator<Item = &str> {
    let ends = name.match_indices('.').map(|(at, _)| at).chain([name.len()]);
    ends.filter_map(|end| name.get(..end))
}

/// True for the code of a country.
pub(super) fn is_country(code: &str) -> bool {
    code.len() == 2 && COUNTRIES.split(' ').any(|known| known == code)
}

/// The code that may be meant: in capitals, or of a country that is often written otherwise.
pub(super) fn near_country(code: &str) -> Option<String> {
    const OTHERS: &[(&str, &str)] = &[
        ("UK", "GB"),
        ("EN", "GB"),
        ("USA", "US"),
        ("GBR", "GB"),
        ("DEU", "DE"),
        ("GER", "DE"),
        ("FRA", "FR"),
        ("CHN", "CN"),
        ("RUS", "RU"),
        ("CAN", "CA"),
        ("IND", "IN"),
        ("JPN", "JP"),
        ("AUS", "AU"),
        ("BRA", "BR"),
        ("EL", "GR"),
    ];
    let upper = code.trim().to_ascii_uppercase();
    let other = OTHERS.iter().find(|(written, _)| *written == upper).map(|(_, meant)| (*meant).to_owned());
    other.or_else(|| is_country(&upper).then_some(upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn categories_are_known_with_their_prefixes() {
        for name in
            ["com", "com.github", "com.github.api", "proxy.anonymous.tor", "com.microsoft.azure.azuresql"]
        {
            assert!(is_category(name), "{name}");
        }
        for name in
            ["", "tor", "com.", "proxy.anonymous.tor.exit", "proxy.anonymous.org.firehol", "Com.github"]
        {
            assert!(!is_category(name), "{name}");
        }
        assert_eq!(near_category("proxy.anonymous.org.firehol"), Some("proxy.anonymous.firehol_org"));
        assert_eq!(near_category("tor"), Some("proxy.anonymous.tor"));
        assert_eq!(near_category("proxy.tor"), Some("proxy.anonymous.tor"));
        assert_eq!(near_category("proxy.ssh"), None);
        assert!(begins_category("proxy.anon") && begins_category("") && !begins_category("proxy.tor"));
        assert_eq!(near_category("com.githb"), Some("com.github"));
        assert_eq!(near_category("blocklist.co.greensnow"), Some("blocklist.greensnow_co"));
        assert_eq!(CATEGORIES.iter().filter(|name| name.contains('*')).count(), 9);
    }

    #[test]
    fn countries_are_two_capitals() {
        assert_eq!(COUNTRIES.split(' ').count(), 250);
        assert!(is_country("DE") && is_country("XK") && !is_country("UK") && !is_country("de"));
        assert_eq!(near_country("uk").as_deref(), Some("GB"));
        assert_eq!(near_country("us").as_deref(), Some("US"));
        assert_eq!(near_country("Germany"), None);
    }
}
