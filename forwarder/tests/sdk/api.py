"""The published Python client of the API, against the edge's own."""

import sys

import ngrok

client = ngrok.Client(sys.argv[2], base_url=sys.argv[1])


def refused(call, *arguments):
    try:
        call(*arguments)
    except ngrok.NotFoundError as error:
        return error.http_status_code
    return None


def wrong_key(key):
    try:
        ngrok.Client(key, base_url=sys.argv[1]).credentials.list()
    except ngrok.Error as error:
        return error.http_status_code, error.error_code
    return None


assert wrong_key("a guess") == (401, "ERR_NGROK_203")
keys = client.api_keys
key = keys.create(description="robot", metadata="m")
other = ngrok.Client(key.token, base_url=sys.argv[1])
assert keys.get(key.id).token is None and keys.get(key.id).description == "robot"
assert other.api_keys.update(key.id, metadata="n").metadata == "n"
assert key.id in [it.id for it in other.api_keys.list()] and key.uri.startswith(sys.argv[1])
keys.delete(key.id)
assert wrong_key(key.token) == (401, "ERR_NGROK_203")

users = client.service_users
user = users.create(name="gate-berlin")
assert users.get(user.id).name == "gate-berlin" and user.active
assert users.update(user.id, name="gate-bonn", active=False).name == "gate-bonn"
assert not users.get(user.id).active
for number in range(4):
    users.create(name=f"gate-{number}")
# Several pages, which the client walks by their URIs.
names = [user.name for user in users.list(limit="2")]
assert names == ["gate-3", "gate-2", "gate-1", "gate-0", "gate-bonn"], names

credentials = client.credentials
made = credentials.create(description="spare", acl=["bind:device1.internal:22"], owner_id=user.id)
assert made.token and made.uri.endswith(made.id)
assert credentials.get(made.id).token is None, "a token is shown once"
assert credentials.update(made.id, metadata="a note").metadata == "a note"
kept = credentials.get(made.id)
assert (kept.description, kept.acl, kept.owner_id) == ("spare", ["bind:device1.internal:22"], user.id)
assert made.id in [credential.id for credential in credentials.list()]
credentials.delete(made.id)
assert refused(credentials.get, made.id) == 404

by_filter = credentials.list
assert [it.id for it in by_filter(filter='obj.description == "spare"')] == []
spares = [credentials.create(description="spare").id for _ in range(3)]
found = by_filter(limit="2", filter='obj.description == "spare" && obj.created_at > timestamp("2026-01-01T00:00:00Z")')
assert [it.id for it in found] == spares[::-1], "over two pages"
try:
    by_filter(filter="obj.nothing == 1")
    raise AssertionError("a wrong filter")
except ngrok.Error as error:
    assert (error.http_status_code, error.error_code) == (400, "ERR_NGROK_250"), error

bots = client.bot_users
bot = bots.create(name="bot", active=False)
assert bots.get(bot.id).name == "bot" and bots.update(bot.id, active=True).active
assert bot.id in [it.id for it in bots.list(limit="1")], "of several pages"
bots.delete(bot.id)
assert refused(bots.get, bot.id) == 404

owned = credentials.create(owner_id=user.id)
users.delete(user.id)
assert refused(users.get, user.id) == 404 and refused(credentials.get, owned.id) == 404

(endpoint,) = client.endpoints.list()
assert endpoint.public_url == "tcp://device1.internal:22" and endpoint.proto == "tcp", endpoint
assert client.endpoints.get(endpoint.id).id == endpoint.id
(session,) = client.tunnel_sessions.list()
assert session.id == endpoint.tunnel_session.id, "the session of the endpoint"
assert client.tunnel_sessions.get(session.id).transport == "tls"
try:
    client.tunnel_sessions.restart(session.id)
    raise AssertionError("restarted")
except ngrok.Error as error:
    assert error.error_code == "ERR_NGROK_804", error
client.tunnel_sessions.stop(session.id)
print("done")
