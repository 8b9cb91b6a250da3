//! Endpoints that an agent brings online: who may, at which URL, with which policies.

use std::sync::Arc;
use std::time::Duration;

use agent_link::mux::Opener;
use agent_link::{Bind, BindReply, BindReplyExtra, Hidden, Refusal, TcpOptions};
use jiff::Timestamp;
use policy_core::agent::{MAX_DESCRIPTION, MAX_METADATA};
use policy_core::compile::Program;
use policy_core::edge::{NotServed, PoliciesForward};
use policy_core::ngrok::{
    ERR_NGROK_301, ERR_NGROK_307, ERR_NGROK_308, ERR_NGROK_316, ERR_NGROK_318, ERR_NGROK_324, ERR_NGROK_332,
    ERR_NGROK_334, ERR_NGROK_356, ERR_NGROK_9028, ERR_NGROK_9029, ERR_NGROK_9030, ERR_NGROK_9031,
    ERR_NGROK_9033, ERR_NGROK_15005, ERR_NGROK_15006, ERR_NGROK_18018,
};
use policy_core::options::EndpointTraits;
use policy_core::url::{Binding, EndpointUrl, MAX_INTERNAL_PARTS, Scheme};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::served::Agents;
use super::settings::AgentSettings;
use super::{ids, policy};
use crate::base::log::{Line, Repeats};
use crate::base::random::Random;
use crate::base::sanitize;
use crate::control::identity::{Acl, Principal};
use crate::edge::connection::AcceptedAt;
use crate::edge::events::{EndpointRefused, endpoint_refused};
use crate::edge::listen;
use crate::edge::listener;
use crate::edge::online::{OnlineEndpoint, Owner};
use crate::edge::shared::Shared;
use crate::edge::shares::Holder;
use crate::net::proxy_protocol::ProxyProtocol;

/// How often the log tells that endpoints of a session are refused.
const LOG_INTERVAL: Duration = Duration::from_secs(1);
const MAX_ID: usize = 128;
/// Characters of what an agent says of its own upstream.
const MAX_SHOWN: usize = 1_024;
/// Ports that are tried for an endpoint whose port the edge chooses.
const MAX_TRIES: usize = 64;

/// The endpoints of one session; they go offline when it is dropped.
pub(super) struct Bound<'s> {
    shared: &'s Arc<Shared>,
    agents: &'s Arc<Agents>,
    session: Box<str>,
    principal: Principal,
    opener: Opener,
    /// Its agent says when the server of a connection is reached.
    confirms: bool,
    endpoints: Vec<Arc<OnlineEndpoint>>,
    /// Endpoints that were refused, of which a flood is one line.
    refused: Repeats<()>,
}

impl Drop for Bound<'_> {
    fn drop(&mut self) {
        let endpoints = std::mem::take(&mut self.endpoints);
        self.shared.connections.cut_offline(|| {
            endpoints.iter().for_each(|endpoint| self.shared.online.unregister(endpoint));
        });
    }
}

impl<'s> Bound<'s> {
    pub(super) fn new(
        shared: &'s Arc<Shared>,
        agents: &'s Arc<Agents>,
        session: Box<str>,
        principal: Principal,
        opener: Opener,
        confirms: bool,
    ) -> Self {
        Self {
            shared,
            agents,
            session,
            principal,
            opener,
            confirms,
            endpoints: Vec::new(),
            refused: Repeats::new(LOG_INTERVAL),
        }
    }

    /// Says in the log and in an event that an endpoint is refused, whose, and why.
    pub(super) fn log_refused(&self, address: &str, refusal: &Refusal) {
        if let Line::Write(before) = self.refused.line(&(), Instant::now().into_std()) {
            let (session, credential) = (&*self.session, &self.principal.credential);
            let (url, reason) = (short(address), &*refusal.reason);
            tracing::warn!(session, %credential, url = &*url, reason, before, "endpoint refused");
            let refused = EndpointRefused { session, credential: *credential, url: &url, refusal, before };
            self.shared.write_event(endpoint_refused(&refused, Timestamp::now()));
        }
    }

    /// The id that an agent wants to go on with, if it can.
    fn called<'i>(&self, id: &'i str) -> Option<&'i str> {
        let taken = || self.endpoints.iter().any(|endpoint| *endpoint.agent_id == *id);
        (!id.is_empty() && id.len() <= MAX_ID && !taken()).then_some(id)
    }

    /// Refuses one endpoint more than an agent may have online.
    fn check_room(&mut self, settings: &AgentSettings) -> Result<(), Refusal> {
        // Some may have been stopped by the edge.
        self.endpoints.retain(|endpoint| !endpoint.gone.is_cancelled());
        if self.endpoints.len() >= settings.max_endpoints {
            let message = format!("an agent may have {} endpoints online", settings.max_endpoints);
            return Err(Refusal::new(ERR_NGROK_324, message));
        }
        Ok(())
    }

    /// Whose an endpoint will be, and the policies it brings, checked within the share of its authtoken.
    async fn owner(
        &self,
        options: TcpOptions,
        binding: Binding,
        settings: &AgentSettings,
    ) -> Result<(Owner, Vec<Arc<Program>>, Option<Box<str>>), Refusal> {
        let credential = self.principal.credential;
        let acl = self.agents.identity.acl(credential, Timestamp::now());
        let acl = acl.map_err(|unfit| Refusal::new(unfit.code(), unfit))?;
        let traits = EndpointTraits::from_scheme(Scheme::Tcp).bound(binding);
        let share = self.agents.shares.share_of(credential, Instant::now().into_std());
        let policy::Brought { programs, text, memory } =
            policy::check(self.agents, &share, options, traits, settings.policies).await?;
        let owner = Owner { credential, acl, share, memory };
        if settings.policies.forward == PoliciesForward::Bindable {
            policy::check_targets(&programs, &owner)?;
        }
        Ok((owner, programs, text))
    }

    /// Puts an endpoint into the table of those that are online, and serves it.
    fn register(
        &mut self,
        endpoint: &Arc<OnlineEndpoint>,
        listeners: Vec<TcpListener>,
    ) -> Result<(), Refusal> {
        let registered = self.shared.online.register(Arc::clone(endpoint));
        registered
            .map_err(|taken| Refusal::new(ERR_NGROK_334, format!("{} is taken: {taken}", endpoint.url)))?;
        // INVARIANT: registered before this look, as a reload exchanges what it asks before it looks.
        if let Some((code, message)) = self.agents.why_unfit(self.shared, endpoint) {
            self.shared.connections.cut_offline(|| self.shared.online.unregister(endpoint));
            return Err(Refusal::new(code, message));
        }
        self.endpoints.push(Arc::clone(endpoint));
        for listener in listeners {
            self.shared.tasks.spawn(accept(
                Arc::clone(self.shared),
                Arc::clone(endpoint),
                Holder::Authtoken(self.principal.credential),
                listener,
            ));
        }
        tracing::info!(session = &*self.session, url = %endpoint.url, "endpoint online");
        Ok(())
    }

    /// Takes an endpoint offline; one that is not there is.
    pub(super) fn unbind(&mut self, id: &str) {
        let Some(at) = self.endpoints.iter().position(|endpoint| *endpoint.agent_id == *id) else {
            return;
        };
        let endpoint = self.endpoints.swap_remove(at);
        self.shared.connections.cut_offline(|| self.shared.online.unregister(&endpoint));
        tracing::info!(session = &*self.session, url = %endpoint.url, "endpoint offline");
    }
}

/// Brings an endpoint online: what is asked for is read, its authtoken and policy are looked at, and its address is taken.
pub(super) async fn bind(bound: &mut Bound<'_>, request: Bind) -> Result<BindReply, Refusal> {
    // The settings and rules that count are those of now.
    let Some(settings) = bound.agents.settings.load_full() else {
        return Err(Refusal::new(ERR_NGROK_324, "this edge serves no agents any more"));
    };
    check_protocol(&request.proto)?;
    bound.check_room(&settings)?;
    let (options, proxy_protocol) = read_options(&request)?;
    let wanted = Wanted::read(&options.addr, &request.extra.bindings)?;
    let binding = wanted.binding;
    let (owner, programs, policy_text) = bound.owner(options, binding, &settings).await?;
    let (url, listeners) = address(wanted, &settings, &owner.acl, &bound.shared.random)?;
    let id = ids::new("ep", &bound.shared.random);
    let endpoint = Arc::new(OnlineEndpoint {
        agent_id: bound.called(&request.id).unwrap_or(&id).into(),
        id,
        session: bound.session.clone(),
        url,
        owner,
        binding,
        listens_on: settings.public_listen.clone(),
        pooling: request.extra.pooling_enabled,
        programs,
        policy_text,
        forwards_to: sanitize::cut(&request.forwards_to, MAX_SHOWN).into(),
        metadata: request.extra.metadata.into(),
        description: request.extra.description.into(),
        since: Timestamp::now(),
        opener: bound.opener.clone(),
        confirms: bound.confirms,
        proxy_protocol,
        gone: CancellationToken::new(),
    });
    bound.register(&endpoint, listeners)?;
    let token = match &request.extra.token {
        Hidden(token) if token.is_empty() || token.len() > 256 => {
            Hidden(ids::secret(&bound.shared.random).into())
        }
        token => token.clone(),
    };
    Ok(BindReply {
        id: endpoint.agent_id.to_string(),
        url: endpoint.url.to_string(),
        proto: request.proto,
        opts: placed(request.opts, &endpoint.url),
        extra: BindReplyExtra { token },
    })
}

/// Refuses a protocol that this edge does not serve.
fn check_protocol(proto: &str) -> Result<(), Refusal> {
    let refused = |message: String| Refusal::new(ERR_NGROK_332, message);
    match Scheme::from_name(proto).filter(|scheme| scheme.name() == proto) {
        Some(scheme) => NotServed::check(scheme).map_err(|error| refused(error.to_string())),
        None => Err(refused("unsupported endpoint protocol".to_owned())),
    }
}

/// What an agent asks for beside an address, and the version of the PROXY protocol that it wants.
fn read_options(request: &Bind) -> Result<(TcpOptions, Option<ProxyProtocol>), Refusal> {
    let invalid = |message: String| Refusal::new(ERR_NGROK_301, message);
    let options: TcpOptions =
        serde_json::from_value(request.opts.clone()).map_err(|error| invalid(error.to_string()))?;
    if request.extra.metadata.len() > MAX_METADATA || request.extra.description.len() > MAX_DESCRIPTION {
        let most = format!("metadata has at most {MAX_METADATA} bytes, a description {MAX_DESCRIPTION}");
        return Err(invalid(most));
    }
    if !request.extra.ip_policy_ref.is_empty() {
        return Err(invalid("this edge has no IP policies that an agent can name".to_owned()));
    }
    let proxy_protocol = match options.proxy_proto {
        0 => None,
        number => Some(
            ProxyProtocol::from_number(number)
                .ok_or_else(|| invalid(format!("unsupported PROXY protocol version {number}; use 1 or 2")))?,
        ),
    };
    Ok((options, proxy_protocol))
}

/// The URL of an endpoint, and what listens for it, if its authtoken may bind that.
fn address(
    wanted: Wanted,
    settings: &AgentSettings,
    acl: &Acl,
    random: &Random,
) -> Result<(EndpointUrl, Vec<TcpListener>), Refusal> {
    let permits = |host: &str, port: u16| acl.permits(host, Some(port));
    let (url, listeners) = match (wanted.binding, wanted.address) {
        (Binding::Internal, Some(url)) => (url, Vec::new()),
        (Binding::Public, address) => public(settings, address, &permits, random)?,
        _ => {
            let message = "an internal endpoint needs a name, e.g. device1.internal:22";
            return Err(Refusal::new(ERR_NGROK_9028, message));
        }
    };
    if !permits(url.host(), url.port().unwrap_or(0)) {
        return Err(Refusal::new(ERR_NGROK_308, format!("the authtoken may not bind {url}")));
    }
    Ok((url, listeners))
}

/// Accepts at a public endpoint until it is gone or the edge stops.
async fn accept(shared: Arc<Shared>, endpoint: Arc<OnlineEndpoint>, holder: Holder, listener: TcpListener) {
    let (stop, gone) = (shared.stop_accepting.child_token(), endpoint.gone.clone());
    let accepting = listener::accept(shared, AcceptedAt::Online(endpoint), holder, listener, stop.clone());
    tokio::pin!(accepting);
    tokio::select! {
        () = &mut accepting => return,
        () = gone.cancelled() => stop.cancel(),
    }
    accepting.await;
}

/// The options as they were sent, with the address that the edge chose: an agent that comes back sends them again and
/// keeps its address.
fn placed(mut options: Value, url: &EndpointUrl) -> Value {
    if let (Some(options), Some(port)) = (options.as_object_mut(), url.port()) {
        let address = options.entry("Addr").or_insert(Value::Null);
        if address.as_str().is_none_or(str::is_empty) {
            *address = Value::String(format!("{}:{port}", url.host()));
        }
    }
    options
}

/// What an agent asks for.
#[derive(Debug, PartialEq)]
struct Wanted {
    binding: Binding,
    /// `None` if the edge is to choose.
    address: Option<EndpointUrl>,
}

impl Wanted {
    fn read(address: &str, bindings: &[String]) -> Result<Self, Refusal> {
        const TCP: &str = "tcp://";
        let (scheme, rest) = address.split_at_checked(TCP.len()).unwrap_or_default();
        let text = if scheme.eq_ignore_ascii_case(TCP) { rest } else { address };
        let parsed = (!text.is_empty()).then(|| EndpointUrl::parse(&format!("{TCP}{text}")));
        let address = parsed.transpose().map_err(|error| {
            Refusal::new(ERR_NGROK_9033, format!("`{}` is not an address: {error}", short(text)))
        })?;
        let internal = address.as_ref().is_some_and(EndpointUrl::is_internal);
        let binding = match bindings {
            // Older clients send none.
            [] if internal => Binding::Internal,
            [] => Binding::Public,
            [one] => Binding::from_name(one)
                .ok_or_else(|| Refusal::new(ERR_NGROK_15005, format!("unknown binding `{}`", short(one))))?,
            _ => return Err(Refusal::new(ERR_NGROK_15006, "an endpoint has one binding")),
        };
        match (binding, &address) {
            (Binding::Kubernetes, _) => {
                return Err(Refusal::new(
                    ERR_NGROK_18018,
                    "this edge has no kubernetes binding; bind internal",
                ));
            }
            (Binding::Internal, None) => {
                return Err(Refusal::new(
                    ERR_NGROK_9028,
                    "an internal endpoint needs a name, e.g. device1.internal:22",
                ));
            }
            (Binding::Internal, Some(url)) if !internal => {
                return Err(Refusal::new(
                    ERR_NGROK_9029,
                    format!("{url} has the binding internal and does not end in .internal"),
                ));
            }
            (Binding::Public, Some(url)) if internal => {
                return Err(Refusal::new(
                    ERR_NGROK_9029,
                    format!("{url} ends in .internal and has the binding public"),
                ));
            }
            (Binding::Public, Some(url)) if url.is_wildcard() => {
                return Err(Refusal::new(ERR_NGROK_318, "a public tcp endpoint has one address"));
            }
            _ => {}
        }
        if let Some(url) = address.as_ref().filter(|url| url.is_too_deep()) {
            let message = format!("{url} has more than {MAX_INTERNAL_PARTS} parts before .internal");
            return Err(Refusal::new(ERR_NGROK_9031, message));
        }
        if let Some(url) = address.as_ref().filter(|url| url.port().is_none()) {
            return Err(Refusal::new(ERR_NGROK_9030, format!("{url} has no port; write e.g. {url}:22")));
        }
        Ok(Self { binding, address })
    }
}

fn short(text: &str) -> String {
    sanitize::cut(text, 64)
}

/// The address of a public endpoint, and its listeners.
fn public(
    settings: &AgentSettings,
    wanted: Option<EndpointUrl>,
    permits: &dyn Fn(&str, u16) -> bool,
    random: &Random,
) -> Result<(EndpointUrl, Vec<TcpListener>), Refusal> {
    let Some(addresses) = &settings.public else {
        let message =
            "this edge has no `public_tcp_ports`: bind an internal endpoint such as device1.internal:22";
        return Err(Refusal::new(ERR_NGROK_316, message));
    };
    let at = |port: u16| {
        let url = EndpointUrl::parse(&format!("tcp://{}:{port}", addresses.name));
        url.map_err(|error| Refusal::new(ERR_NGROK_9033, error))
    };
    let open = |port: u16| listen::listen_at(&settings.public_listen, port);
    if let Some(url) = wanted {
        let port = url.port().unwrap_or(0);
        if !addresses.has(&url) {
            let message = format!("{url} is not an address of this edge: it has {addresses}");
            return Err(Refusal::new(ERR_NGROK_307, message));
        }
        if !permits(url.host(), port) {
            return Err(Refusal::new(ERR_NGROK_308, format!("the authtoken may not bind {url}")));
        }
        let listeners = open(port)
            .map_err(|error| Refusal::new(ERR_NGROK_334, format!("{url} cannot be listened on: {error}")))?;
        return Ok((url, listeners));
    }
    let permitted: Vec<u16> =
        addresses.ports.clone().filter(|port| permits(&addresses.name, *port)).collect();
    let (before, after) = permitted.split_at(random.below(permitted.len()));
    for port in after.iter().chain(before).take(MAX_TRIES) {
        if let Ok(listeners) = open(*port) {
            return Ok((at(*port)?, listeners));
        }
    }
    match permitted.len() {
        0 => {
            Err(Refusal::new(ERR_NGROK_356, "the authtoken may not bind a tcp address of the edge's choice"))
        }
        _ => Err(Refusal::new(ERR_NGROK_334, "all ports of `public_tcp_ports` are in use")),
    }
}

#[cfg(test)]
mod tests {
    use policy_core::check::{CheckOptions, load_policy};
    use policy_core::edge::load_edge;
    use policy_core::source::Source;
    use serde_json::json;

    use super::*;

    #[test]
    fn an_address_of_the_edges_choice_is_told_and_another_stays() {
        let url = EndpointUrl::parse("tcp://edge.example.com:20001").expect("a URL");
        let chosen = json!({"Addr": "edge.example.com:20001", "ProxyProto": 0});
        for sent in [json!({"Addr": "", "ProxyProto": 0}), json!({"Addr": null, "ProxyProto": 0})] {
            assert_eq!(placed(sent, &url), chosen);
        }
        assert_eq!(placed(chosen.clone(), &url), chosen);
        assert_eq!(placed(Value::Null, &url), Value::Null);
    }

    /// What may be bound may be forwarded to, and the other way round; a `*` stands for names and is none. What the
    /// configuration of an edge takes is the same.
    #[test]
    fn what_can_be_bound_can_be_forwarded_to() {
        let forwards = |url: &str| {
            let text = json!({"on_tcp_connect": [{"actions": [{"type": "forward-internal", "config": {"url": url}}]}]});
            load_policy(&Source::new("p.json", text.to_string()), &CheckOptions::default()).0.is_some()
        };
        let configures = |url: &str| {
            let endpoint = json!({"url": url, "upstream": {"url": 22}});
            let text = json!({"version": 1, "endpoints": [], "internal_endpoints": [endpoint]}).to_string();
            load_edge(&Source::new("edge.yml", text)).0.is_some()
        };
        let binds = |url: &str| Wanted::read(url, &["internal".to_owned()]).is_ok();
        let label = "a".repeat(63);
        let long = |count: usize| format!("tcp://{}internal:22", format!("{label}.").repeat(count));
        let usable = [
            "tcp://d.internal:22",
            "TCP://D.Internal:22",
            "tcp://d.internal.:22",
            "tcp://d.internal:1",
            "tcp://d.internal:65535",
            "tcp://d.internal:022",
            "tcp://e.d.c.b.a.internal:22",
            "tcp://-d-.1.internal:22",
            "tcp://internal.internal:22",
            &format!("tcp://{label}.internal:22"),
            &long(3),
        ];
        let unusable = [
            "tcp://f.e.d.c.b.a.internal:22",
            "tcp://d.internal",
            "tcp://d.internal:0",
            "tcp://d.internal:65536",
            "tcp://d.internal:22/",
            "tcp://d.internal:22?a",
            "tcp://a@d.internal:22",
            "tcp://internal:22",
            "tcp://.internal:22",
            "tcp://a..internal:22",
            "tcp://d_1.internal:22",
            "tcp://dä.internal:22",
            "tcp://d.internal.example.com:22",
            "tcp://[::1]:22",
            "tcp://d.internal..:22",
            " tcp://d.internal:22",
            "tcp://d.internal:22 ",
            "tcp://tcp://d.internal:22",
            "tcp://a.*.internal:22",
            "tcp://a*.internal:22",
            "tcp://*.f.d.c.b.a.internal:22",
            "https://d.internal:22/",
            "tcp://",
            &format!("tcp://a{label}.internal:22"),
            &long(4),
        ];
        for (urls, usable) in [(&usable[..], true), (&unusable[..], false)] {
            for url in urls {
                assert_eq!([binds(url), forwards(url), configures(url)], [usable; 3], "{url}");
            }
        }
        for wildcard in ["tcp://*.internal:22", "tcp://*.d.c.b.a.internal:22"] {
            let below = wildcard.replace('*', "x");
            assert_eq!(
                [binds(wildcard), forwards(wildcard), configures(wildcard)],
                [true, false, true],
                "{wildcard}"
            );
            assert!(binds(&below) && forwards(&below), "{below}");
        }
    }

    #[test]
    fn addresses_and_bindings_fit_each_other_or_are_refused() {
        let read = |address: &str, bindings: &[&str]| {
            let bindings: Vec<_> = bindings.iter().map(ToString::to_string).collect();
            Wanted::read(address, &bindings)
                .map(|wanted| (wanted.binding, wanted.address.map(|url| url.to_string()).unwrap_or_default()))
                .map_err(|refusal| refusal.error.rsplit('_').next().unwrap_or_default().to_owned())
        };
        let url = |binding, text: &str| Ok((binding, text.to_owned()));
        assert_eq!(read("d.internal:22", &[]), url(Binding::Internal, "tcp://d.internal:22"));
        assert_eq!(
            read("tcp://*.D.internal:22", &["internal"]),
            url(Binding::Internal, "tcp://*.d.internal:22")
        );
        assert_eq!(read("", &[]), url(Binding::Public, ""));
        assert_eq!(
            read("edge.example.com:20022", &["public"]),
            url(Binding::Public, "tcp://edge.example.com:20022")
        );
        for (address, bindings, code) in [
            ("", &["internal"][..], "9028"),
            ("edge.example.com:22", &["internal"], "9029"),
            ("d.internal:22", &["public"], "9029"),
            ("d.internal", &[], "9030"),
            ("d.internal:0", &[], "9033"),
            ("d_.internal:22", &[], "9033"),
            ("f.e.d.c.b.a.internal:22", &[], "9031"),
            ("a.b:22", &["kubernetes"], "18018"),
            ("d.internal:22", &["internal", "public"], "15006"),
            ("d.internal:22", &["elsewhere"], "15005"),
            ("*.example.com:22", &[], "318"),
        ] {
            assert_eq!(read(address, bindings), Err(code.to_owned()), "{address} {bindings:?}");
        }
    }
}
