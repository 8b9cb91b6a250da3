//! The admin API, called as by a client.

use std::sync::{Arc, Mutex, OnceLock};

use bytes::Bytes;
use hyper::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::filter::Filterable as _;
use super::resource::{Context, Operation, Resource};
use super::resources::api_keys::KeyView;
use super::resources::credentials::CredentialView;
use super::resources::service_users::UserView;
use super::*;
use crate::control::audit::{Audit, Caller};
use crate::control::identity::{Credential, Identity, NewCredential, ServiceUser};

/// Two sessions and an endpoint of the second.
struct Two;

impl Sessions for Two {
    fn sessions(&self) -> Vec<SessionView> {
        let view =
            |id: &str| SessionView { id: id.to_owned(), credential: Ref::to("cr_1"), ..Default::default() };
        vec![view("ts_1"), view("ts_2")]
    }

    fn stop(&self, id: &str) -> bool {
        id == "ts_1"
    }

    fn ask(&self, id: &str, command: SessionCommand) -> Delivery {
        match id {
            "ts_1" if matches!(&command, SessionCommand::Update(version) if version == "9") => {
                Delivery::Unsupported("no such version".to_owned())
            }
            "ts_1" => Delivery::Yes,
            "ts_2" => Delivery::Unsupported("too old".to_owned()),
            _ => Delivery::Unknown,
        }
    }

    fn endpoints(&self) -> Vec<EndpointView> {
        let session = Some(Ref::to("ts_2"));
        vec![EndpointView { id: "ep_1".to_owned(), tunnel_session: session, port: 22, ..Default::default() }]
    }
}

struct Api {
    admin: Admin,
    events: Arc<Mutex<Vec<Value>>>,
    _folder: tempfile::TempDir,
}

fn api() -> Api {
    let folder = tempfile::tempdir().expect("a folder");
    let identity = Identity::open(folder.path()).expect("a store");
    let events = Arc::<Mutex<Vec<Value>>>::default();
    let sink = Arc::clone(&events);
    let audit = Audit::new(move |line| {
        sink.lock().expect("whole").push(serde_json::from_str(&line).expect("JSON"));
    });
    Api { admin: Admin::new(identity, Arc::new(Two), audit), events, _folder: folder }
}

impl Api {
    fn call(&self, method: Method, path: &str, body: &Value) -> (u16, Value) {
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
        let answer = self.admin.answer(&Call {
            method,
            path: path.to_owned(),
            query: query.map(str::to_owned),
            body,
            base: "http://localhost".to_owned(),
            caller: Caller::Local,
        });
        let body = if answer.body.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&answer.body).expect("JSON")
        };
        (answer.status.as_u16(), body)
    }

    fn get(&self, path: &str) -> (u16, Value) {
        self.call(Method::GET, path, &Value::Null)
    }

    fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.call(Method::POST, path, body)
    }

    fn told(&self) -> Vec<Value> {
        std::mem::take(&mut *self.events.lock().expect("whole"))
    }
}

fn text(value: &Value) -> &str {
    value.as_str().expect("text")
}

#[test]
fn a_service_user_is_made_changed_and_deleted_with_its_credentials() {
    let api = api();
    let (status, user) = api.post("/service_users", &json!({"name": "gate"}));
    assert_eq!((status, &user["name"], &user["active"]), (201, &json!("gate"), &json!(true)));
    let uri = format!("/service_users/{}", text(&user["id"]));
    assert_eq!(user["uri"], format!("http://localhost{uri}"));
    assert_eq!(api.get(&uri), (200, user.clone()));
    let (status, credential) = api.post("/credentials", &json!({"owner_id": user["id"]}));
    assert_eq!((status, &credential["owner_id"]), (201, &user["id"]));
    let (status, changed) = api.call(Method::PATCH, &uri, &json!({"active": false, "name": null}));
    assert_eq!((status, &changed["name"], &changed["active"]), (200, &json!("gate"), &json!(false)));
    assert_eq!(api.call(Method::DELETE, &uri, &Value::Null), (204, Value::Null));
    assert_eq!(api.get(&uri).0, 404);
    assert_eq!(api.get(&format!("/credentials/{}", text(&credential["id"]))).0, 404);
    let told = api.told();
    let types: Vec<_> = told.iter().map(|event| text(&event["event_type"])).collect();
    assert_eq!(
        types,
        [
            "service_user_created.v0",
            "tunnel_credential_created.v0",
            "service_user_updated.v0",
            "tunnel_credential_deleted.v0",
            "service_user_deleted.v0",
        ]
    );
    assert!(told.iter().all(|event| event["principal"]["subject"] == "local-admin"));
    assert_eq!(told[0]["object"], user);
    assert!(!format!("{told:?}").contains(text(&credential["token"])), "a token in an event");
}

#[test]
fn a_token_stands_in_one_answer_only() {
    let api = api();
    let (status, made) =
        api.post("/credentials", &json!({"description": "d", "metadata": "m", "acl": ["bind:a.internal"]}));
    let token = text(&made["token"]).to_owned();
    assert_eq!((status, &made["acl"]), (201, &json!(["bind:a.internal"])));
    let principal = api
        .admin
        .parts
        .identity
        .authenticate(&token, [127, 0, 0, 1].into(), Timestamp::now())
        .expect("alive");
    assert!(!principal.acl.permits("b.internal", None));
    let uri = format!("/credentials/{}", text(&made["id"]));
    let (_, read) = api.get(&uri);
    assert!(read["token"].is_null() && read["last_used_at"].is_string());
    let (status, changed) = api.call(Method::PATCH, &uri, &json!({"description": "new"}));
    assert_eq!((status, &changed["acl"], &changed["metadata"]), (200, &made["acl"], &made["metadata"]));
    for answer in [read, changed, api.get("/credentials").1] {
        assert!(!answer.to_string().contains(&token), "{answer}");
    }
    assert_eq!(api.call(Method::DELETE, &uri, &Value::Null).0, 204);
    assert!(api.admin.parts.identity.authenticate(&token, [127, 0, 0, 1].into(), Timestamp::now()).is_err());
}

#[test]
fn an_api_key_is_shown_once_and_goes_with_its_service_user() {
    let api = api();
    let (_, user) = api.post("/service_users", &json!({"name": "robot"}));
    let (status, made) = api.post("/api_keys", &json!({"description": "d", "owner_id": user["id"]}));
    assert_eq!((status, &made["owner_id"], &made["metadata"]), (201, &user["id"], &json!("")));
    let key = text(&made["token"]).to_owned();
    let id = api.admin.parts.identity.authenticate_key(&key).expect("counts");
    assert!(key.starts_with(text(&made["id"])) && id.to_string() == text(&made["id"]));
    assert_eq!(
        api.admin
            .parts
            .identity
            .authenticate(&key, [127, 0, 0, 1].into(), Timestamp::now())
            .expect_err("no authtoken")
            .code()
            .number(),
        105
    );
    let uri = format!("/api_keys/{id}");
    assert_eq!(made["uri"], format!("http://localhost{uri}"));
    let (status, changed) = api.call(Method::PATCH, &uri, &json!({"metadata": "m"}));
    assert_eq!((status, &changed["description"], &changed["metadata"]), (200, &json!("d"), &json!("m")));
    let (_, list) = api.get("/api_keys");
    assert_eq!(list["keys"], json!([changed]));
    let (_, read) = api.get(&uri);
    for answer in [&changed, &list, &read] {
        assert!(!answer.to_string().contains(&key), "{answer}");
    }
    let users = format!("/service_users/{}", text(&user["id"]));
    let counts = |active: bool| {
        api.call(Method::PATCH, &users, &json!({"active": active}));
        api.admin.parts.identity.key_counts(id)
    };
    assert_eq!((counts(false), counts(true)), (false, true));
    api.told();
    assert_eq!(api.call(Method::DELETE, &users, &Value::Null).0, 204);
    assert!(api.admin.parts.identity.authenticate_key(&key).is_err());
    assert_eq!(api.call(Method::DELETE, &uri, &Value::Null).0, 404);
    let told = api.told();
    let types: Vec<_> = told.iter().map(|event| text(&event["event_type"])).collect();
    assert_eq!(types, ["api_key_deleted.v0", "service_user_deleted.v0"]);
    assert!(!format!("{told:?}").contains(&key), "a key in an event");
    for (body, part) in [
        (json!({"acl": []}), "acl"),
        (json!({"owner_id": user["id"]}), "no service user"),
        (json!({"owner_email": "a@example.com"}), "owner_id"),
        (json!({"description": "x".repeat(256)}), "255"),
    ] {
        let (status, error) = api.post("/api_keys", &body);
        assert!(status == 400 && text(&error["msg"]).contains(part), "{error}");
    }
}

#[test]
fn a_key_that_was_deleted_meanwhile_changes_nothing() {
    let api = api();
    let (_, made) = api.post("/api_keys", &json!({}));
    let id = text(&made["id"]).parse().expect("an id");
    let call = Call {
        method: Method::POST,
        path: "/service_users".to_owned(),
        query: None,
        body: Bytes::from_static(br#"{"name":"late"}"#),
        base: "http://localhost".to_owned(),
        caller: Caller::Key(id),
    };
    assert_eq!(api.admin.answer(&call).status, 201);
    assert_eq!(api.told()[1]["principal"]["subject"], made["id"]);
    api.call(Method::DELETE, &format!("/api_keys/{id}"), &Value::Null);
    for method in [Method::POST, Method::GET] {
        assert_eq!(api.admin.answer(&Call { method, ..call.clone() }).status, 401);
    }
    assert_eq!(api.admin.parts.identity.page::<ServiceUser>(None, 9).len(), 1);
}

/// While an event is told, nobody changes anything: the next change waits for it.
#[test]
fn events_come_in_the_order_of_changes() {
    let mut api = api();
    let (events, changes) = (Arc::clone(&api.events), Arc::<OnceLock<Arc<Mutex<()>>>>::default());
    let of_admin = Arc::clone(&changes);
    let audit = Audit::new(move |line| {
        let changes = of_admin.get().expect("set below");
        assert!(changes.try_lock().is_err(), "another change may come before this event");
        events.lock().expect("whole").push(serde_json::from_str(&line).expect("JSON"));
    });
    api.admin = Admin::new(api.admin.parts.identity.clone(), Arc::new(Two), audit);
    changes.set(Arc::clone(&api.admin.changes)).expect("once");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| api.post("/service_users", &json!({"name": "a"})));
        }
    });
    let told = api.told();
    let ids: Vec<_> = told.iter().map(|event| text(&event["object"]["id"])).collect();
    assert!(ids.len() == 4 && ids.is_sorted(), "{ids:?}");
}

#[test]
fn lists_page_from_the_newest_on() {
    let api = api();
    let mut ids: Vec<_> = (0..5).map(|_| api.post("/credentials", &json!({})).1["id"].clone()).collect();
    ids.reverse();
    let mut path = "/credentials?limit=2".to_owned();
    let (mut seen, mut pages) = (Vec::new(), 0);
    loop {
        let (status, page) = api.get(&path);
        assert_eq!((status, &page["uri"]), (200, &json!("http://localhost/credentials")));
        seen.extend(page["credentials"].as_array().expect("a list").iter().map(|it| it["id"].clone()));
        pages += 1;
        match page["next_page_uri"].as_str() {
            Some(next) => path = next.strip_prefix("http://localhost").expect("ours").to_owned(),
            None => break,
        }
    }
    assert_eq!((seen, pages), (ids, 3));
    for wrong in ["limit=0", "limit=-1", "limit=x", "before_id=su_1", "before_id=cr_1"] {
        assert_eq!(api.get(&format!("/credentials?{wrong}")).0, 400, "{wrong}");
    }
    assert_eq!(api.get("/credentials?limit=100000&before_id=").0, 200);
}

/// The descriptions of the credentials that a filter leaves, newest first; or what is wrong with it.
fn filtered(api: &Api, filter: &str) -> Result<Vec<String>, String> {
    let query: String = filter.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let (status, answer) = api.get(&format!("/credentials?filter={query}"));
    if status != 200 {
        assert_eq!((status, &answer["error_code"]), (400, &json!("ERR_NGROK_250")), "{answer}");
        return Err(text(&answer["msg"]).to_owned());
    }
    let items = answer["credentials"].as_array().expect("a list");
    Ok(items.iter().map(|item| text(&item["description"]).to_owned()).collect())
}

#[test]
fn a_filter_reads_every_field_of_an_item() {
    let api = api();
    let (_, user) = api.post("/service_users", &json!({"name": "gate"}));
    let far = "2999-01-01T00:00:00Z";
    api.post("/credentials", &json!({"description": "a", "metadata": "x-1", "acl": ["bind:*"]}));
    api.post("/credentials", &json!({"description": "b", "owner_id": user["id"], "expires_at": far}));
    let (_, c) = api.post("/credentials", &json!({"description": "c", "metadata": "x-2"}));
    let owner = format!("obj.owner_id == \"{}\"", text(&user["id"]));
    let id = format!("obj.id == '{}'", text(&c["id"]));
    for (filter, left) in [
        ("true", "c b a"),
        ("obj.description == 'b'", "b"),
        ("obj.description in [\"a\", \"c\"]", "c a"),
        ("obj.metadata.contains('x-') && !obj.metadata.endsWith('1')", "c"),
        ("\"bind:*\" in obj.acl", "a"),
        ("size(obj.acl) == 0", "c b"),
        ("obj.acl.exists(rule, rule.startsWith('bind:'))", "a"),
        ("obj.created_at > timestamp(\"2026-01-01T00:00:00Z\")", "c b a"),
        ("obj.created_at < timestamp('2026-01-01T00:00:00Z')", ""),
        ("obj.created_at > timestamp(time.now) - duration('24h')", "c b a"),
        ("obj.owner_id == null", "c a"),
        (&owner, "b"),
        ("obj.expires_at != null && obj.expires_at > timestamp('2998-01-01T00:00:00Z')", "b"),
        ("obj.last_used_at == null", "c b a"),
        (&id, "c"),
        ("obj.uri.endsWith(obj.id)", "c b a"),
    ] {
        assert_eq!(filtered(&api, filter).map(|it| it.join(" ")).as_deref(), Ok(left), "{filter}");
    }
}

#[test]
fn a_filter_that_cannot_be_used_says_where() {
    let api = api();
    // The types are known before there is an item.
    for (filter, part) in [
        ("obj.descripton == 'a'", "character 1: unknown field `obj.descripton`; the fields are `obj.id`, "),
        ("true && obj.descripton == 'a'", "character 9: "),
        ("obj.created_at > '2026'", "character 16: "),
        ("obj.acl == ''", "character 9: "),
        ("'ä' == 1", "character 5: "),
        ("obj.description ==", "character "),
        ("obj.description", "not true or false"),
        ("1", "not true or false"),
        ("conn.client_ip == 'a'", "character 1: "),
        ("obj", "character 1: "),
    ] {
        let error = filtered(&api, filter).expect_err(filter);
        assert!(error.contains(part) && error.starts_with("`filter`, character "), "{filter}: {error}");
    }
    assert!(filtered(&api, &"true || ".repeat(1_000)).expect_err("long").contains("bytes"));
    let (status, error) = api.get("/credentials?filter=%ff");
    assert!(status == 400 && text(&error["msg"]).contains("percent-encoded"), "{error}");
    // A value that is not there is an error and leaves no item out silently.
    let (_, made) = api.post("/credentials", &json!({}));
    for filter in ["obj.expires_at < timestamp(time.now)", "obj.owner_id.startsWith('su_')"] {
        let error = filtered(&api, filter).expect_err(filter);
        assert!(error.contains(text(&made["id"])), "{error}");
    }
    let rules: Vec<_> = (0..300).map(|number| format!("bind:a{number}.internal")).collect();
    api.post("/credentials", &json!({"acl": rules}));
    let endless = "obj.acl.all(a, obj.acl.all(b, obj.acl.all(c, true)))";
    assert!(filtered(&api, endless).expect_err("endless").contains("more steps"));
}

#[test]
fn a_filter_goes_on_over_pages() {
    let api = api();
    // More than are fetched at once.
    let changes = (0..1_203).map(|number| {
        let description = if number % 100 == 0 { "rare" } else { "" }.to_owned();
        NewCredential { description, ..NewCredential::default() }
    });
    changes.for_each(|new| drop(api.admin.parts.identity.create::<Credential>(new, Timestamp::now())));
    let mut path = "/credentials?limit=5&filter=obj.description+%3D%3D+%22rare%22".to_owned();
    let mut pages = Vec::new();
    loop {
        let (status, page) = api.get(&path);
        let items = page["credentials"].as_array().expect("a list");
        assert!(status == 200 && items.iter().all(|item| item["description"] == "rare"), "{page}");
        pages.push(items.len());
        match page["next_page_uri"].as_str() {
            Some(next) => path = next.strip_prefix("http://localhost").expect("ours").to_owned(),
            None => break,
        }
    }
    assert_eq!(pages, [5, 5, 3]);
}

#[test]
fn every_list_takes_a_filter_over_the_fields_it_shows() {
    let api = api();
    api.post("/service_users", &json!({"name": "a"}));
    api.post("/credentials", &json!({}));
    api.post("/api_keys", &json!({}));
    let records = |path, key, fields| page::List { path, key, fields };
    for list in [
        records("service_users", "service_users", UserView::FIELDS),
        records("bot_users", "bot_users", UserView::FIELDS),
        records("credentials", "credentials", CredentialView::FIELDS),
        records("api_keys", "keys", KeyView::FIELDS),
        resources::tunnel_sessions::LIST,
        resources::endpoints::LIST,
    ] {
        let (status, all) = api.get(&format!("/{}?filter=obj.id%20!=%20''", list.path));
        assert_eq!(status, 200, "{all}");
        let item = all[list.key][0].as_object().expect("an object");
        let mut shown: Vec<_> = item.keys().map(String::as_str).filter(|key| *key != "token").collect();
        let mut known: Vec<_> = list.fields.iter().map(|(name, _)| *name).collect();
        shown.sort_unstable();
        known.sort_unstable();
        assert_eq!(shown, known, "{}", list.path);
        // Each is read as what it is declared to be.
        for (name, kind) in list.fields {
            let filter = match kind {
                filter::FieldKind::Text => format!("obj.{name} != 'nothing'"),
                filter::FieldKind::Time => format!("obj.{name} < timestamp('2999-01-01T00:00:00Z')"),
                filter::FieldKind::Flag => format!("obj.{name} == obj.{name}"),
                filter::FieldKind::Number => format!("obj.{name} > -1"),
                filter::FieldKind::Texts => format!("!('nothing' in obj.{name})"),
                filter::FieldKind::Ref => format!("obj.{name}.id != ''"),
                filter::FieldKind::Maybe(filter::FieldKind::Time) => {
                    format!("obj.{name} == null || obj.{name} < timestamp('2999-01-01T00:00:00Z')")
                }
                filter::FieldKind::Maybe(_) => format!("obj.{name} == null || obj.{name} != 'nothing'"),
            };
            let query: String = filter.bytes().map(|byte| format!("%{byte:02X}")).collect();
            let (status, left) = api.get(&format!("/{}?filter={query}", list.path));
            assert_eq!((status, &left[list.key]), (200, &all[list.key]), "{filter}: {left}");
        }
    }
    let (_, none) = api.get("/tunnel_sessions?filter=obj.credential.id+%3D%3D+'cr_9'");
    assert_eq!(none["tunnel_sessions"], json!([]));
    let (_, one) = api.get("/endpoints?filter=obj.tunnel_session.id+%3D%3D+'ts_2'+%26%26+obj.port+%3D%3D+22");
    assert_eq!(one["endpoints"].as_array().map(Vec::len), Some(1), "{one}");
}

/// A resource that only this test has: counters that count themselves up.
struct Counters(Mutex<Vec<u64>>);

static COUNTERS: Counters = Counters(Mutex::new(Vec::new()));

impl Counters {
    fn at(&self, id: &str) -> Result<usize, Fault> {
        let there = self.0.lock().expect("whole").len();
        let at = id.strip_prefix("ct_").and_then(|at| at.parse().ok()).filter(|at| *at < there);
        at.ok_or_else(|| Fault::not_found(id))
    }
}

impl Resource for Counters {
    fn names(&self) -> &'static [&'static str] {
        &["counters"]
    }

    fn operations(&self) -> &'static [Operation] {
        &[Operation::Create, Operation::Read, Operation::Delete, Operation::ActOn("count")]
    }

    fn id_prefix(&self) -> Option<&'static str> {
        Some("ct")
    }

    fn create(&self, cx: &Context<'_>) -> Result<Answer, Fault> {
        let mut counters = self.0.lock().expect("whole");
        counters.push(cx.call.json::<u64>()?);
        let id = format!("ct_{}", counters.len() - 1);
        Answer::json(StatusCode::CREATED, &json!({"uri": cx.uri_of(&id), "id": id}))
    }

    fn read(&self, _: &Context<'_>, id: &str) -> Result<Answer, Fault> {
        let at = self.at(id)?;
        Answer::json(StatusCode::OK, &self.0.lock().expect("whole")[at])
    }

    fn act(&self, _: &Context<'_>, id: Option<&str>, verb: &str) -> Result<Answer, Fault> {
        let at = self.at(id.expect("of one"))?;
        assert_eq!(verb, "count");
        self.0.lock().expect("whole")[at] += 1;
        Ok(Answer::nothing())
    }
}

/// A request over the socket of the API: the status, and the body.
async fn over_http(socket: &std::path::Path, method: &str, path: &str, body: &str) -> (u16, Value) {
    let mut stream = tokio::net::UnixStream::connect(socket).await.expect("served");
    let length = body.len();
    let request =
        format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await.expect("taken");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

#[tokio::test]
async fn a_resource_needs_its_code_and_its_place_in_the_list() {
    let api = api();
    let list: Vec<&'static dyn Resource> = resources::ALL.iter().copied().chain([&COUNTERS as _]).collect();
    let mut admin = api.admin.clone();
    admin.resources = Box::leak(list.into_boxed_slice());
    let socket = api._folder.path().join("admin.sock");
    let stop = tokio_util::sync::CancellationToken::new();
    let serving = serve_unix(&socket, admin, stop.clone()).await.expect("a socket");
    let call = async |method: &str, path: &str, body: &str| over_http(&socket, method, path, body).await;
    let made = call("POST", "/counters", "41").await;
    assert_eq!(made, (201, json!({"id": "ct_0", "uri": "http://localhost/counters/ct_0"})));
    assert_eq!(call("POST", "/counters/ct_0/count", "").await, (204, Value::Null));
    assert_eq!(call("GET", "/counters/ct_0", "").await, (200, json!(42)));
    // What it does not have is refused without it.
    for (method, path, status, part) in [
        ("GET", "/counters", 405, "this path takes POST"),
        ("PATCH", "/counters/ct_0", 405, "this path takes GET and DELETE"),
        ("GET", "/counters/ct_0/count", 405, "this path takes POST"),
        ("POST", "/counters/ct_0/stop", 501, "/endpoints, /edge and /counters"),
        ("GET", "/counters/ct_9", 404, "ct_9"),
        // Named, and without code.
        ("DELETE", "/counters/ct_0", 501, "/counters/ct_0"),
        ("POST", "/counters", 400, "body"),
    ] {
        let (found, fault) = call(method, path, "").await;
        assert!(found == status && text(&fault["msg"]).contains(part), "{method} {path}: {found} {fault}");
    }
    assert_eq!(call("GET", "/credentials", "").await.0, 200, "the others are there");
    stop.cancel();
    serving.await.expect("no panic");
}

#[test]
fn bot_users_are_service_users() {
    let api = api();
    let (status, made) = api.post("/bot_users", &json!({"name": "gate"}));
    assert_eq!(status, 201, "{made}");
    let uri = format!("/bot_users/{}", text(&made["id"]));
    assert_eq!(made["uri"], format!("http://localhost{uri}"));
    assert_eq!(api.get("/bot_users").1["bot_users"], json!([made]));
    assert_eq!(api.get("/service_users").1["service_users"][0]["id"], made["id"]);
    assert_eq!(api.call(Method::PATCH, &uri, &json!({"active": false})).1["active"], false);
    assert_eq!(api.call(Method::DELETE, &uri, &Value::Null).0, 204);
    assert_eq!(api.get(&uri).0, 404);
}

#[test]
fn errors_have_a_status_a_number_and_a_sentence() {
    let api = api();
    let cases = [
        (json!({"acl": ["device1.internal"]}), "ERR_NGROK_600", "device1.internal"),
        (json!({"description": "x".repeat(256)}), "ERR_NGROK_18012", "255"),
        (json!({"metadata": "x".repeat(4097)}), "ERR_NGROK_18013", "4096"),
        (json!({"owner_id": "su_01ARZ3NDEKTSV4RRFFQ69G5FAV"}), "", "no service user"),
        (json!({"owner_id": "cr_1"}), "", "su_"),
        // Fields in their order.
        (json!([null, null, null, null, null, null, null, null]), "", "list"),
        (json!({"owner_email": "a@example.com"}), "", "owner_id"),
        (json!({"acll": []}), "", "acll"),
        (json!({"expires_at": "2001-01-01T00:00:00Z"}), "", "past"),
        (json!({"expires_at": "tomorrow"}), "", "expires_at"),
        (json!([]), "", "body"),
    ];
    for (body, code, part) in cases {
        let (status, error) = api.post("/credentials", &body);
        assert_eq!(
            (status, &error["status_code"], text(&error["error_code"])),
            (400, &json!(400), code),
            "{error}"
        );
        let message = text(&error["msg"]);
        // The position of a wrong value is told by its column, not by its name.
        assert!(message.contains(part) || message.contains("column"), "{message}");
        assert!(text(&error["details"]["operation_id"]).starts_with("op_"));
    }
    assert_eq!(api.post("/service_users", &json!({})).0, 400);
    assert!(api.told().is_empty());
}

#[test]
fn paths_and_methods_that_are_not_there() {
    let api = api();
    for path in ["/credentials/", "/endpoints/ep_9", "/tunnel_sessions/ts_9", "/api_keys/ak_9"] {
        assert_eq!(api.get(path).0, 404, "{path}");
    }
    for path in
        ["/", "", "/nothing", "/credentials/a/b", "/credentials/a/b/c", "//", "/ip_policies/ipp_1", "/edge"]
    {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            let (status, error) = api.call(method, path, &Value::Null);
            assert_eq!((status, &error["status_code"]), (501, &json!(501)), "{path}");
            assert_eq!(error["error_code"], "ERR_NGROK_501", "{path}");
            assert!(text(&error["msg"]).contains("/credentials, "), "{error}");
            assert!(text(&error["details"]["operation_id"]).starts_with("op_"), "{error}");
        }
    }
    let long = format!("/{}", "x".repeat(9_000));
    assert!(text(&api.get(&long).1["msg"]).len() < 300);
    for (method, path, status) in [
        (Method::PUT, "/credentials", 405),
        (Method::POST, "/credentials/cr_1", 405),
        (Method::POST, "/endpoints", 405),
        (Method::GET, "/tunnel_sessions/ts_1/stop", 405),
        (Method::GET, "/tunnel_sessions/ts_1/restart", 405),
        (Method::POST, "/tunnel_sessions/ts_9/restart", 404),
        (Method::POST, "/tunnel_sessions/ts_1/pause", 501),
        (Method::DELETE, "/service_users/su_1", 404),
        (Method::PATCH, "/credentials/cr_1", 404),
    ] {
        assert_eq!(api.call(method, path, &json!({})).0, status, "{path}");
    }
}

#[test]
fn sessions_and_endpoints_are_shown_and_stopped() {
    let api = api();
    let (_, list) = api.get("/tunnel_sessions?limit=1");
    assert_eq!(list["tunnel_sessions"][0]["id"], "ts_2");
    assert_eq!(list["tunnel_sessions"][0]["credential"]["uri"], "http://localhost/credentials/cr_1");
    let next = text(&list["next_page_uri"]).strip_prefix("http://localhost").expect("ours");
    let (_, list) = api.get(next);
    assert_eq!((&list["tunnel_sessions"][0]["id"], &list["next_page_uri"]), (&json!("ts_1"), &Value::Null));
    assert_eq!(api.get("/tunnel_sessions/ts_1").1["uri"], "http://localhost/tunnel_sessions/ts_1");
    assert_eq!(api.post("/tunnel_sessions/ts_1/stop", &json!({})), (200, json!({})));
    assert_eq!(api.post("/tunnel_sessions/ts_9/stop", &Value::Null).0, 404);
    assert_eq!(api.post("/tunnel_sessions/ts_1/restart", &json!({})), (200, json!({})));
    assert_eq!(api.post("/tunnel_sessions/ts_9/restart", &json!({})).0, 404);
    for (path, code) in [("ts_2/restart", "ERR_NGROK_804"), ("ts_2/update", "ERR_NGROK_806")] {
        let (status, error) = api.post(&format!("/tunnel_sessions/{path}"), &json!({}));
        assert_eq!((status, &error["error_code"]), (409, &json!(code)), "{error}");
    }
    let update = |body: Value| api.post("/tunnel_sessions/ts_1/update", &body).0;
    assert_eq!((update(json!({})), update(json!({"id": "ts_1", "version": "1.2"}))), (200, 200));
    assert_eq!((update(json!({"version": "9"})), update(json!({"version": "9".repeat(65)}))), (409, 400));
    let (_, list) = api.get("/endpoints");
    let endpoint = &list["endpoints"][0];
    assert_eq!((&endpoint["port"], endpoint.get("type").is_some()), (&json!(22), true));
    assert_eq!(endpoint["tunnel_session"]["uri"], "http://localhost/tunnel_sessions/ts_2");
}
