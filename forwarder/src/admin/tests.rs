use std::sync::Mutex;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;

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

    fn restart(&self, id: &str) -> Asked {
        match id {
            "ts_1" => Asked::Yes,
            "ts_2" => Asked::Unsupported("too old".to_owned()),
            _ => Asked::Unknown,
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
            subject: "local-admin".into(),
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
    let principal = api.admin.identity.authenticate(&token, Timestamp::now()).expect("alive");
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
    assert!(api.admin.identity.authenticate(&token, Timestamp::now()).is_err());
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
    let (status, error) = api.get("/credentials?filter=true");
    assert_eq!((status, &error["error_code"]), (400, &json!("ERR_NGROK_250")));
    for wrong in ["limit=0", "limit=-1", "limit=x", "before_id=su_1", "before_id=cr_1"] {
        assert_eq!(api.get(&format!("/credentials?{wrong}")).0, 400, "{wrong}");
    }
    assert_eq!(api.get("/credentials?limit=100000&before_id=").0, 200);
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
    for path in [
        "/",
        "",
        "/nothing",
        "/credentials/",
        "/credentials/a/b",
        "/credentials/a/b/c",
        "//",
        "/endpoints/ep_9",
    ] {
        assert_eq!(api.get(path).0, 404, "{path}");
    }
    for (method, path, status) in [
        (Method::PUT, "/credentials", 405),
        (Method::POST, "/credentials/cr_1", 405),
        (Method::POST, "/endpoints", 405),
        (Method::GET, "/tunnel_sessions/ts_1/stop", 405),
        (Method::GET, "/tunnel_sessions/ts_1/restart", 405),
        (Method::POST, "/tunnel_sessions/ts_1/update", 501),
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
    let (status, refused) = api.post("/tunnel_sessions/ts_2/restart", &json!({}));
    assert_eq!((status, &refused["msg"]), (409, &json!("the agent does not begin again: too old")));
    assert_eq!(api.post("/tunnel_sessions/ts_9/restart", &json!({})).0, 404);
    let (_, list) = api.get("/endpoints");
    let endpoint = &list["endpoints"][0];
    assert_eq!((&endpoint["port"], endpoint.get("type").is_some()), (&json!(22), true));
    assert_eq!(endpoint["tunnel_session"]["uri"], "http://localhost/tunnel_sessions/ts_2");
}
