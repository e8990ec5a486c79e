"""The broker in the REST interface: clients and subscriptions a page at a time, their counts, ending one; counts
and rates; users and rules as the command line changes them; who may ask, and what is refused."""
import json
import subprocess
import time
import urllib.parse

from harness import SLOW, Skip, main, until
from mqtt_raw import Client

ADMINISTRATIVE, NOT_AUTHORIZED = 0x98, 0x87
API = "/api/v1/mqtt"
LISTENERS = '    - {address: "127.0.0.1:0"}\n'


def query(**kw):
    return "?" + urllib.parse.urlencode(kw)


def pages(hub, what, **kw):
    """All items, page after page."""
    items, after = [], {}
    while True:
        page = hub.get(f"{API}/{what}{query(**kw, **after)}")
        assert len(page["items"]) <= kw.get("limit", 100)
        items += page["items"]
        if page["next"] is None:
            assert len(items) == page["total"], (len(items), page["total"])
            return items
        after = {"after": page["next"]}


def problem(hub, method, path, status, body=None, field=None, headers=None):
    got, head, data = hub.request(method, path, body, headers)
    assert got == status, (method, path, got, data)
    answer = json.loads(data)
    assert head["Content-Type"] == "application/problem+json", head
    if field:
        assert [e["field"] for e in answer["errors"]] == [field], answer
    return answer


def ask(hub, method, path, body=None, status=200):
    got, _, data = hub.request(method, path, body)
    assert got == status, (method, path, got, data)
    return json.loads(data) if data else None


def test_clients_page_by_page(box):
    hub = box.hub(mqtt=LISTENERS)
    clients = [Client(hub, 5 if n % 2 else 4, f"c{n:03}") for n in range(60)]
    clients[7].stop()
    away = Client(hub, 5, "keeps", clean=False, props={"session_expiry": 1000})
    away.subscribe(("kept/#", 1))
    away.stop()
    clients[9].subscribe(("a/#", 0), ("b", 1))
    clients[8].publish("b", b"x", qos=1)
    until(lambda: hub.get(f"{API}/clients{query(search='c007')}")["total"] == 0, "the session to end")
    for limit in (1, 7, 100):
        found = pages(hub, "clients", limit=limit)
        assert [c["client"] for c in found] == sorted(f"c{n:03}" for n in range(60) if n != 7) + ["keeps"], limit
    by_id = {c["client"]: c for c in found}
    c = by_id["c009"]
    assert c["connected"] and c["version"] == 5 and c["transport"] == "tcp" and c["user"] is None and c["subscriptions"] == 2, c
    assert c["sent"] == 1 and c["received"] == 0 and by_id["c008"]["received"] == 1 and by_id["c008"]["version"] == 4, c
    assert not by_id["keeps"]["connected"] and by_id["keeps"]["transport"] is None and by_id["keeps"]["expiry_s"] == 1000
    clients[8].publish("kept/1", b"y", qos=1)
    assert hub.get(f"{API}/clients/keeps")["queued"] == 1
    assert [x["client"] for x in pages(hub, "clients", state="away")] == ["keeps"]
    assert len(pages(hub, "clients", state="connected")) == 59
    assert [x["client"] for x in pages(hub, "clients", search="c00", limit=3)] == [f"c00{n}" for n in range(10) if n != 7]
    peer = by_id["c009"]["peer"]
    assert [x["client"] for x in pages(hub, "clients", search=peer)] == ["c009"]
    one = hub.get(f"{API}/clients/c009")
    assert [(f["filter"], f["qos"]) for f in one["filters"]] == [("a/#", 0), ("b", 1)], one
    assert hub.get(f"{API}/client{query(client='c009')}")["filters"] == one["filters"]
    problem(hub, "GET", f"{API}/clients/nobody", 404)
    problem(hub, "GET", f"{API}/clients?limit=0", 422, field="limit")
    problem(hub, "GET", f"{API}/clients?limit=1001", 422, field="limit")
    problem(hub, "GET", f"{API}/clients?state=asleep", 422, field="state")
    problem(hub, "GET", f"{API}/clients?nonsense=1", 422, field="nonsense")
    listed = json.loads(hub.cli("sessions", "--json", "--control", str(box.dir / "hub.sock")).stdout)["sessions"]
    assert {x["client"]: x["subscriptions"] for x in listed} == {k: v["subscriptions"] for k, v in by_id.items()}


def test_subscriptions_page_by_page(box):
    hub = box.hub(mqtt=LISTENERS)
    clients = [Client(hub, 5, f"s{n:02}") for n in range(12)]
    want = []
    for n, c in enumerate(clients):
        filters = [f"t/{n}/{k}" for k in range(n)] + ["all/+/x"]
        c.subscribe(*((f, k % 3) for k, f in enumerate(filters)))
        want += [(f"s{n:02}", f) for f in filters]
    for limit in (1, 5, 11, 1000):
        found = pages(hub, "subscriptions", limit=limit)
        assert [(s["client"], s["filter"]) for s in found] == want, limit
    assert len(pages(hub, "subscriptions", topic="all/1/x", limit=5)) == 12
    assert [s["client"] for s in pages(hub, "subscriptions", topic="t/5/3")] == ["s05"]
    assert [s["filter"] for s in pages(hub, "subscriptions", client="s02")] == ["t/2/0", "t/2/1", "all/+/x"]
    assert len(pages(hub, "subscriptions", search="t/11/", limit=4)) == 11
    problem(hub, "GET", f"{API}/subscriptions?topic=a/%2B", 422, field="topic")
    problem(hub, "GET", f"{API}/subscriptions?after=x", 422, field="after")


def test_a_client_is_sent_away(box):
    hub = box.hub(mqtt=LISTENERS)
    for version in (4, 5):
        c = Client(hub, version, "plant/7")
        where = f"{API}/client{query(client='plant/7')}"
        assert hub.request("DELETE", where)[0] == 204
        c.ended(ADMINISTRATIVE)
    # Its session stays, unless it is to go as well.
    for session in (False, True):
        c = Client(hub, 5, "lasts", clean=False, props={"session_expiry": 1000})
        assert c.connack.present == session, session
        c.subscribe(("x", 1))
        assert hub.request("DELETE", f"{API}/clients/lasts" + (query(session="true") if session else ""))[0] == 204
        c.ended(ADMINISTRATIVE)
        until(lambda: (hub.request("GET", f"{API}/clients/lasts")[0] == 404) == session, "the session")
        if not session:
            assert "session=true" in problem(hub, "DELETE", f"{API}/clients/lasts", 409)["detail"]
    again = Client(hub, 5, "lasts", clean=False, props={"session_expiry": 1000})
    assert not again.connack.present
    again.stop()
    until(lambda: not hub.get(f"{API}/clients/lasts")["connected"], "it to be away")
    assert hub.request("DELETE", f"{API}/clients/lasts?session=true")[0] == 204
    problem(hub, "DELETE", f"{API}/clients/lasts", 404)
    # The same by command, which also looks at one.
    keep = Client(hub, 5, "by/hand", clean=False, props={"session_expiry": 1000})
    keep.subscribe(("hand/#", 1))
    to = ("--control", str(box.dir / "hub.sock"))
    assert "  1  hand/#" in hub.cli("sessions", "--client", "by/hand", *to).stdout
    assert "by/hand" in hub.cli("sessions", "--search", "y/h", *to).stdout and "by/hand" not in hub.cli("sessions", "-s", "nobody", *to).stdout
    assert "session" in hub.cli("sessions", "--kick", "by/hand", "--session", *to).stdout
    keep.ended(ADMINISTRATIVE)
    gone = hub.cli("sessions", "--client", "by/hand", *to, check=False)
    assert gone.returncode == 1 and "no session of this client id" in gone.stderr, gone
    assert hub.cli("sessions", "--session", *to, check=False).returncode == 2
    # Of what ended nothing comes back with the next start.
    hub.stop()
    hub.start()
    assert hub.get(f"{API}/clients")["total"] == 0


def test_counts_and_rates(box):
    hub = box.hub(mqtt=LISTENERS)
    sub, pub = Client(hub, 5), Client(hub, 5)
    sub.subscribe(("x/#", 0))
    before = hub.get(f"{API}/stats")
    for n in range(50):
        pub.publish(f"x/{n % 5}", b"1", qos=n % 2, retain=True)
    pub.ping()
    s = hub.get(f"{API}/stats")
    assert s["received"]["qos0"] - before["received"]["qos0"] == 25 and s["received"]["qos1"] == 25, s
    assert s["connected"] == 2 and s["retained"] - before["retained"] == 5 and s["subscriptions"] == 1, s
    assert s["log"]["bytes"] > 0 and not s["log"]["full"], s
    total = until(lambda: (lambda r: sum(r["received"]) >= 50 and r)(hub.get(f"{API}/stats?seconds=300")["rates"]), "the rates")
    assert sum(total["sent"]) >= 50 and len(total["received"]) == len(total["sent"]) == len(total["dropped"]) and total["step_ms"] == 1000
    assert len(hub.get(f"{API}/stats?seconds=1")["rates"]["received"]) == 1
    problem(hub, "GET", f"{API}/stats?seconds=301", 422, field="seconds")


def hub_with_files(box, **kw):
    (box.dir / "acl").write_text("topic read wayside/#\n\nuser ann\ntopic plant/#\n")
    (box.dir / "pw").write_text("")
    return box.hub(mqtt=LISTENERS + f"  acl_file: {box.dir}/acl\n  password_file: {box.dir}/pw\n", **kw)


def test_users_and_rules(box):
    hub = hub_with_files(box)
    ask(hub, "POST", f"{API}/users", {"user": "ann", "password": "password of ann"}, 201)
    ann = Client(hub, 5, user="ann", password="password of ann")
    ann.subscribe(("plant/#", 0))
    rule = ask(hub, "POST", f"{API}/acl", {"user": "ann", "access": "read", "filter": "plant/1"}, 201)
    assert rule["line"] == 5 and rule["in_force"], rule
    ask(hub, "DELETE", f"{API}/acl" + query(user="ann", access="readwrite", filter="plant/#"))
    until(lambda: hub.get(f"{API}/client{query(client=ann.client_id)}")["filters"] == [], "the subscription to end", 1)
    why = ask(hub, "GET", f"{API}/acl/check" + query(user="ann", topic="plant/1"))
    assert why["subscribe"] == {"allowed": True, "because": "this rule grants it", "line": 4, "rule": "topic read plant/1"}, why
    assert not why["publish"]["allowed"] and why["publish"]["because"] == "no rule grants it", why
    ask(hub, "POST", f"{API}/acl", {"pattern": True, "access": "write", "filter": "dev/%c"}, 201)
    ask(hub, "POST", f"{API}/acl", {"user": None, "access": "read", "filter": "open"}, 201)
    rules = ask(hub, "GET", f"{API}/acl")
    assert [(r["user"], r["pattern"], r["access"], r["filter"]) for r in rules["rules"]] == [
        (None, False, "read", "wayside/#"), (None, False, "read", "open"), ("ann", False, "read", "plant/1"), (None, True, "write", "dev/%c")], rules
    assert [u["user"] for u in ask(hub, "GET", f"{API}/users")["users"]] == ["ann"]
    ask(hub, "PUT", f"{API}/users/ann", {"password": "another of ann"})
    start = time.monotonic()
    ann.ended(NOT_AUTHORIZED)
    ann = Client(hub, 5, user="ann", password="another of ann")
    ask(hub, "DELETE", f"{API}/users/ann")
    ann.ended(NOT_AUTHORIZED)
    assert time.monotonic() - start < 1 * SLOW
    # A name that is no step of a path.
    name = query(user="plant/é&7")
    ask(hub, "POST", f"{API}/users", {"user": "plant/é&7", "password": "password of 7"}, 201)
    ask(hub, "PUT", f"{API}/user{name}", {"password": "another of 7"})
    Client(hub, 5, user="plant/é&7", password="another of 7").close()
    ask(hub, "DELETE", f"{API}/user{name}")
    assert ask(hub, "GET", f"{API}/users")["users"] == []
    problem(hub, "DELETE", f"{API}/user{name}", 404)
    problem(hub, "DELETE", f"{API}/user", 422, field="user")
    assert "another of ann" not in hub.log.read_text()


def test_what_is_refused(box):
    hub = hub_with_files(box)
    ask(hub, "POST", f"{API}/users", {"user": "ann", "password": "password of ann"}, 201)
    before = (box.dir / "acl").read_bytes(), (box.dir / "pw").read_bytes()
    good = {"user": "bob", "password": "password of bob"}
    for body, field in (({"user": "bob"}, "password"), ({**good, "password": "short"}, "password"), ({**good, "user": "a:b"}, "user"),
                        ({**good, "user": ""}, "user"), ({**good, "user": 7}, "user"), ({**good, "role": "admin"}, "role")):
        problem(hub, "POST", f"{API}/users", 422, body, field)
    problem(hub, "POST", f"{API}/users", 409, {**good, "user": "ann"})
    problem(hub, "POST", f"{API}/users", 400, "{")
    problem(hub, "POST", f"{API}/users", 415, json.dumps(good), headers={"Content-Type": "text/plain"})
    problem(hub, "PUT", f"{API}/users/bob", 404, {"password": "password of bob"})
    problem(hub, "DELETE", f"{API}/users/bob", 404)
    rule = {"user": "ann", "access": "read", "filter": "x"}
    for body, field in (({**rule, "access": "rw"}, "access"), ({**rule, "filter": "a#"}, "filter"), ({**rule, "filter": "a\ntopic b"}, "filter"),
                        ({**rule, "pattern": True}, "user"), ({**rule, "user": "a\nuser b"}, "user"), ({"user": "ann", "filter": "x"}, "access")):
        problem(hub, "POST", f"{API}/acl", 422, body, field)
    assert "acl:4" in problem(hub, "POST", f"{API}/acl", 409, {"user": "ann", "access": "readwrite", "filter": "plant/#"})["detail"]
    problem(hub, "DELETE", f"{API}/acl" + query(user="ann", access="read", filter="plant/#"), 404)
    problem(hub, "DELETE", f"{API}/acl" + query(user="ann", access="read"), 422, field="filter")
    problem(hub, "GET", f"{API}/acl/check" + query(topic="a#"), 422, field="topic")
    # Pages of other sites, and names of theirs that point here.
    for headers in ({"Origin": "https://evil.example"}, {"Host": "evil.example"}):
        for method, path, body in (("POST", "/users", good), ("DELETE", "/users/ann", None), ("GET", "/users", None), ("DELETE", "/clients/x", None)):
            problem(hub, method, API + path, 403, body, headers=headers)
    assert ((box.dir / "acl").read_bytes(), (box.dir / "pw").read_bytes()) == before
    bare = box.hub(name="bare", mqtt=LISTENERS)
    assert "mqtt.password_file" in problem(bare, "POST", f"{API}/users", 409, good)["detail"]
    assert bare.get(f"{API}/acl") == {"acl_file": None, "rules": []}


def test_others_on_the_network_may_look_and_not_touch(box):
    addresses = [a for a in subprocess.run(["hostname", "-I"], capture_output=True, text=True).stdout.split() if ":" not in a]
    if not addresses:
        raise Skip("this machine has no address but loopback")
    hub = hub_with_files(box, start=False)
    hub.config.write_text(hub.config.read_text().replace('api: {address: "127.0.0.1:0"}', f'api: {{address: "{addresses[0]}:0"}}'))
    hub.start()
    assert hub.get(f"{API}/clients")["total"] == 0
    for method, path, body in (("GET", "/users", None), ("POST", "/users", {"user": "bob", "password": "password of bob"}), ("DELETE", "/users/a", None),
                               ("PUT", "/users/a", {"password": "password of a"}), ("DELETE", "/user?user=a", None),
                               ("PUT", "/user?user=a", {"password": "password of a"}), ("GET", "/acl", None), ("DELETE", "/clients/x", None),
                               ("POST", "/acl", {"access": "read", "filter": "x"}), ("GET", "/acl/check?topic=x", None)):
        assert "own machine" in problem(hub, method, API + path, 403, body)["detail"]
    assert (box.dir / "pw").read_text() == ""


def test_the_document_has_all_of_it(box):
    hub = box.hub(mqtt=LISTENERS)
    paths = hub.get("/openapi.json")["paths"]
    assert set(paths[f"{API}/users"]) == {"get", "post"} and set(paths[f"{API}/users/{{user}}"]) == set(paths[f"{API}/user"]) == {"put", "delete"}
    assert set(paths[f"{API}/acl"]) == {"get", "post", "delete"} and "get" in paths[f"{API}/acl/check"]
    assert set(paths[f"{API}/clients/{{client}}"]) == {"get", "delete"} and "get" in paths[f"{API}/stats"]


main(globals())
