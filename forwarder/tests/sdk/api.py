"""The published Python client of the API, against the edge's own."""

import sys

import ngrok

client = ngrok.Client("any key: the socket is the door", base_url=sys.argv[1])


def refused(call, *arguments):
    try:
        call(*arguments)
    except ngrok.NotFoundError as error:
        return error.http_status_code
    return None


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

owned = credentials.create(owner_id=user.id)
users.delete(user.id)
assert refused(users.get, user.id) == 404 and refused(credentials.get, owned.id) == 404

(endpoint,) = client.endpoints.list()
assert endpoint.public_url == "tcp://device1.internal:22" and endpoint.proto == "tcp", endpoint
assert client.endpoints.get(endpoint.id).id == endpoint.id
(session,) = client.tunnel_sessions.list()
assert session.id == endpoint.tunnel_session.id, "the session of the endpoint"
assert client.tunnel_sessions.get(session.id).transport == "tls"
client.tunnel_sessions.stop(session.id)
print("done")
