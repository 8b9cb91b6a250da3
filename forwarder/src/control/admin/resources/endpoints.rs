//! `/endpoints`: what agents keep online.

use crate::control::admin::answer::{Answer, Fault};
use crate::control::admin::filter::Filterable as _;
use crate::control::admin::page::{List, show};
use crate::control::admin::resource::{Context, Operation, Resource};
use crate::control::admin::sessions::EndpointView;

/// Bytes of a policy that a list shows; a longer one stands in the endpoint itself.
const MAX_LISTED_POLICY: usize = 1_024;
/// What a list may be filtered by, and how it is cut.
pub(in crate::control::admin) const LIST: List =
    List { path: "endpoints", key: "endpoints", fields: EndpointView::FIELDS };

/// The endpoints of agents.
pub(in crate::control::admin) struct Endpoints;

impl Resource for Endpoints {
    fn names(&self) -> &'static [&'static str] {
        &[LIST.path]
    }

    fn operations(&self) -> &'static [Operation] {
        &[Operation::List, Operation::Read]
    }

    fn id_prefix(&self) -> Option<&'static str> {
        Some("ep")
    }

    fn list(&self, cx: &Context<'_>) -> Result<Answer, Fault> {
        let mut views = views(cx);
        for view in views.iter_mut().filter(|view| view.traffic_policy.len() > MAX_LISTED_POLICY) {
            view.traffic_policy.clear();
        }
        show(cx.call, LIST, views, None, |view| &view.id)
    }

    fn read(&self, cx: &Context<'_>, id: &str) -> Result<Answer, Fault> {
        show(cx.call, LIST, views(cx), Some(id), |view| &view.id)
    }
}

fn views(cx: &Context<'_>) -> Vec<EndpointView> {
    let mut views = cx.parts.sessions.endpoints();
    for view in &mut views {
        if let Some(credential) = view.principal.take() {
            (view.principal, view.principal_name) = cx.principal(&credential.id);
        }
        view.uri = cx.call.uri(LIST.path, &view.id);
        if let Some(session) = &mut view.tunnel_session {
            session.uri = cx.uri_of(&session.id);
        }
    }
    views
}
