"""The API speaks HTTP/1.1 as clients and proxies expect: pipelining, HEAD, OPTIONS, 404, 405, 413, 415,
chunks, Expect, conditional requests; what two readers could take in two ways is refused; and the
OpenAPI document lists what is there."""
import json
import socket

from harness import SLOW, main, until
from mqtt_raw import Client


class Raw:
    """An HTTP connection by hand."""

    def __init__(self, hub, service="api"):
        self.s = socket.create_connection(hub.address(service), timeout=20 * SLOW)
        self.buffer = b""

    def send(self, text):
        self.s.sendall(text.encode("latin-1") if isinstance(text, str) else text)

    def fill(self):
        got = self.s.recv(65536)
        self.buffer += got
        return bool(got)

    def answer(self, head_only=False):
        while b"\r\n\r\n" not in self.buffer:
            if not self.fill():
                raise ConnectionError(f"closed after {self.buffer[:200]!r}")
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        status = int(lines[0].split()[1])
        fields = {}
        for l in lines[1:]:
            name, _, value = l.partition(":")
            assert name.lower() not in fields, f"{name} stands twice"
            fields[name.lower()] = value.strip()
        body = b""
        if status >= 200 and status not in (204, 304) and not head_only:
            n = int(fields["content-length"])
            while len(self.buffer) < n:
                assert self.fill(), "the body is cut"
            body, self.buffer = self.buffer[:n], self.buffer[n:]
        return status, fields, body

    def ended(self):
        """True when the server has closed."""
        try:
            while self.fill():
                pass
        except ConnectionError:
            pass
        return True


HOST = "Host: localhost\r\n"
JSON = "Content-Type: application/json\r\n"


def ask(hub, text, head_only=False):
    r = Raw(hub)
    r.send(text)
    try:
        return r.answer(head_only)
    finally:
        r.s.close()


def test_pipelined_requests_are_answered_in_order(box):
    hub = box.hub()
    r = Raw(hub)
    text = ""
    for n in range(30):
        body = json.dumps({"device_id": "p", "n": n})
        text += f"POST /api/v1/data HTTP/1.1\r\n{HOST}{JSON}Content-Length: {len(body)}\r\n\r\n{body}"
        text += f"GET /api/v1/readings?device=p&limit=1 HTTP/1.1\r\n{HOST}\r\n"
        text += f"GET /no{n} HTTP/1.1\r\n{HOST}Accept: application/json\r\n\r\n"
        text += f"HEAD /health HTTP/1.1\r\n{HOST}\r\n"
    r.send(text)
    for n in range(30):
        assert r.answer()[0] == 200
        status, _, body = r.answer()
        assert status == 200 and json.loads(body)["items"][0]["value"]["n"] == n, (n, body)
        assert r.answer()[0] in (200, 404)
        assert r.answer(head_only=True)[0] == 200
    r.send(f"GET /health HTTP/1.1\r\n{HOST}Connection: close\r\n\r\nGET /health HTTP/1.1\r\n{HOST}\r\n")
    status, fields, _ = r.answer()
    assert status == 200 and fields["connection"] == "close"
    assert r.ended() and r.buffer == b"", "an answer after the last one"


def test_requests_in_single_bytes_are_understood(box):
    hub = box.hub()
    r = Raw(hub)
    r.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    body = '{"device_id":"s","n":1}'
    for b in f"POST /api/v1/data HTTP/1.1\r\n{HOST}{JSON}Content-Length: {len(body)}\r\n\r\n{body}".encode():
        r.send(bytes([b]))
    assert r.answer()[0] == 200


def test_head_is_get_without_the_body(box):
    hub = box.hub()
    for path in ("/health", "/", "/openapi.json", "/api/v1/devices", "/metrics", "/nothing/here"):
        get = ask(hub, f"GET {path} HTTP/1.1\r\n{HOST}\r\n")
        r = Raw(hub)
        r.send(f"HEAD {path} HTTP/1.1\r\n{HOST}\r\nGET /health HTTP/1.1\r\n{HOST}\r\n")
        status, fields, _ = r.answer(head_only=True)
        assert status == get[0], path
        assert fields.get("content-type") == get[1].get("content-type"), path
        if path not in ("/metrics",):
            assert fields["content-length"] == get[1]["content-length"], path
        assert r.answer()[0] == 200, "HEAD sent a body"


def test_405_says_what_is_allowed_and_options_too(box):
    hub = box.hub()
    for method, path, allowed in (("DELETE", "/api/v1/devices", "GET"), ("GET", "/sensor-data", "POST"), ("PUT", "/api/v1/data", "POST"),
                                  ("POST", "/health", "GET"), ("POST", "/openapi.json", "GET")):
        status, fields, body = ask(hub, f"{method} {path} HTTP/1.1\r\n{HOST}Content-Length: 0\r\n\r\n")
        assert status == 405, (method, path, status)
        assert allowed in [a.strip() for a in fields["allow"].split(",")], fields
        status, fields, _ = ask(hub, f"OPTIONS {path} HTTP/1.1\r\n{HOST}\r\n")
        assert status in (200, 204) and allowed in fields["allow"], (path, fields)
    assert ask(hub, f"OPTIONS * HTTP/1.1\r\n{HOST}\r\n")[0] in (200, 204)
    assert ask(hub, f"BREW /health HTTP/1.1\r\n{HOST}\r\n")[0] in (405, 501)
    assert ask(hub, f"TRACE / HTTP/1.1\r\n{HOST}\r\n")[0] in (405, 501)


def test_what_is_not_there_is_404_in_the_callers_style(box):
    hub = box.hub()
    status, fields, body = ask(hub, f"GET /api/v1/nothing HTTP/1.1\r\n{HOST}\r\n")
    assert status == 404 and fields["content-type"].startswith("application/problem+json"), (status, fields)
    assert json.loads(body)["status"] == 404
    status, fields, body = ask(hub, f"GET /sensor-data/nobody HTTP/1.1\r\n{HOST}\r\n")
    assert status == 404 and json.loads(body) == {"detail": "Device not found"}
    for path in ("/../etc/passwd", "/%2e%2e/etc/passwd", "/..%2fetc/passwd", "/a/../../b", "/%00", "/a%0d%0ab", "/%zz", "/%c0%ae"):
        status, _, body = ask(hub, f"GET {path} HTTP/1.1\r\n{HOST}\r\n")
        assert status in (400, 404) or (status == 200 and b"root:" not in body), (path, status)
        assert b"root:" not in body


def test_bodies_are_limited_typed_and_read_in_chunks(box):
    hub = box.hub()
    big = 300 * 1024
    r = Raw(hub)
    r.send(f"POST /api/v1/data HTTP/1.1\r\n{HOST}{JSON}Content-Length: {big}\r\n\r\n")
    assert r.answer()[0] == 413, "refused by its length alone"
    r = Raw(hub)
    r.send(f"POST /api/v1/data HTTP/1.1\r\n{HOST}{JSON}Transfer-Encoding: chunked\r\n\r\n")
    try:
        for _ in range(100):
            r.send("2000\r\n" + "x" * 0x2000 + "\r\n")
    except OSError:
        pass
    assert r.answer()[0] == 413
    assert ask(hub, f"GET /health HTTP/1.1\r\n{HOST}Content-Length: 5\r\n\r\nhello")[0] == 413
    body = '{"device_id":"t"}'
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        assert ask(hub, f"POST /api/v1/data HTTP/1.1\r\n{HOST}Content-Type: {kind}\r\nContent-Length: 17\r\n\r\n{body}")[0] == 415
    assert ask(hub, f"POST /api/v1/data HTTP/1.1\r\n{HOST}{JSON}Content-Encoding: gzip\r\nContent-Length: 17\r\n\r\n{body}")[0] == 415
    for kind in ("application/json; charset=utf-8", "application/senml+json"):
        assert ask(hub, f"POST /api/v1/data HTTP/1.1\r\n{HOST}Content-Type: {kind}\r\nContent-Length: 17\r\n\r\n{body}")[0] == 200
    chunks = "".join(f"1;x=y\r\n{c}\r\n" for c in body) + "0\r\nTrailer: x\r\n\r\n"
    assert ask(hub, f"POST /api/v1/data HTTP/1.1\r\n{HOST}{JSON}Transfer-Encoding: chunked\r\n\r\n{chunks}")[0] == 200
    until(lambda: len(hub.get("/api/v1/readings?device=t")["items"]) == 3, "three records")


def test_expect_100_gets_its_continue(box):
    hub = box.hub()
    r = Raw(hub)
    r.send(f"POST /api/v1/data HTTP/1.1\r\n{HOST}{JSON}Expect: 100-continue\r\nContent-Length: 17\r\n\r\n")
    assert r.answer()[0] == 100
    r.send('{"device_id":"t"}')
    assert r.answer()[0] == 200
    r = Raw(hub)
    r.send(f"POST /api/v1/data HTTP/1.1\r\n{HOST}{JSON}Expect: 100-continue\r\nContent-Length: 900000000\r\n\r\n")
    assert r.answer()[0] == 413, "a refusal instead of 100"
    assert ask(hub, f"POST /api/v1/data HTTP/1.1\r\n{HOST}{JSON}Expect: magic\r\nContent-Length: 17\r\n\r\n")[0] == 417


def test_what_two_readers_could_take_in_two_ways_is_refused(box):
    hub = box.hub()
    post = "POST /api/v1/data HTTP/1.1\r\n"
    smuggled = "GET /smuggled HTTP/1.1\r\n" + HOST + "\r\n"
    for text in (post + HOST + JSON + "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled,
                 post + HOST + JSON + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
                 post + HOST + JSON + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
                 post + HOST + JSON + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
                 post + HOST + JSON + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
                 post + HOST + JSON + "Content-Length: +2\r\n\r\n{}", post + HOST + JSON + "Content-Length: 0x2\r\n\r\n{}",
                 post + HOST + JSON + "Content-Length: 2, 2\r\n\r\n{}", post + HOST + JSON + "Content-Length: -1\r\n\r\n",
                 post + HOST + JSON + "Transfer-Encoding: chunked\r\n\r\n2\n{}\r\n0\r\n\r\n",
                 post + HOST + JSON + "Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n",
                 post + HOST + JSON + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}XX\r\n0\r\n\r\n",
                 "GET /health HTTP/1.1\n" + "Host: localhost\n\n", "GET /health HTTP/1.1\r\n" + HOST + "Host: other\r\n\r\n",
                 "GET /health HTTP/1.1\r\n\r\n", "GET /health HTTP/1.1\r\n" + HOST + " folded: x\r\n\r\n",
                 "GET /health HTTP/1.1\r\n" + HOST + "a\x00b: x\r\n\r\n", "GET /health HTTP/1.1\r\n" + HOST + "a: x\x00y\r\n\r\n",
                 "GET /health HTTP/1.1\r\n" + HOST + "a: x\ry\r\n\r\n", "GET  /health HTTP/1.1\r\n" + HOST + "\r\n",
                 "GET /health HTTP/1.1 \r\n" + HOST + "\r\n", "GET /health\r\n\r\n", "GET /health HTTP/9.9\r\n" + HOST + "\r\n",
                 "GET http://other/health HTTP/1.1\r\n" + HOST + "\r\n", "GET /health HTTP/1.1\r\nHost: a b\r\n\r\n",
                 "CONNECT localhost:22 HTTP/1.1\r\n" + HOST + "\r\n", "GET health HTTP/1.1\r\n" + HOST + "\r\n"):
        r = Raw(hub)
        r.send(text)
        status, fields, body = r.answer()
        assert 400 <= status < 600 and status != 404, (text, status)
        if text.startswith(("GET http://other", "GET health")):
            continue  # where it ends is clear, so the connection may live
        assert r.ended()
        assert b"HTTP/1.1 " not in r.buffer, f"a second answer to {text!r}: {r.buffer[:100]!r}"
        r.s.close()
    assert hub.get("/api/v1/devices")["items"] == []


def test_static_files_are_conditional(box):
    hub = box.hub()
    status, fields, body = ask(hub, f"GET / HTTP/1.1\r\n{HOST}\r\n")
    assert status == 200 and "text/html" in fields["content-type"] and fields.get("etag"), fields
    assert "content-security-policy" in fields and fields["x-content-type-options"] == "nosniff", fields
    etag = fields["etag"]
    for value in (etag, f'"x", {etag}', "*", f"W/{etag}"):
        status, again, _ = ask(hub, f"GET / HTTP/1.1\r\n{HOST}If-None-Match: {value}\r\n\r\n")
        assert status == 304 and again["etag"] == etag, (value, status)
    assert ask(hub, f'GET / HTTP/1.1\r\n{HOST}If-None-Match: "other"\r\n\r\n')[0] == 200
    # An address of the page itself is the page: it is a single-page application.
    status, fields, page = ask(hub, f"GET /devices/t1 HTTP/1.1\r\n{HOST}Accept: text/html\r\n\r\n")
    assert status == 200 and page == body


def test_http_1_0_is_answered_and_closed(box):
    hub = box.hub()
    r = Raw(hub)
    r.send("GET /health HTTP/1.0\r\n\r\n")
    status, fields, _ = r.answer()
    assert status == 200 and r.ended()
    r = Raw(hub)
    r.send("GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert r.answer()[0] == 200
    r.send("GET /health HTTP/1.0\r\n\r\n")
    assert r.answer()[0] == 200


def test_openapi_lists_every_route_and_each_get_answers(box):
    hub = box.hub()
    hub.request("POST", "/sensor-data", {"device_id": "t1", "temperature": 1, "humidity": 2, "timestamp": "2026-01-01T00:00:00Z"})
    client = Client(hub, 5, "c")
    given = {"device_id": "t1", "client": "c", "topic": "x"}
    doc = hub.get("/openapi.json")
    assert doc["openapi"].startswith("3."), doc
    assert {"/api/v1/devices", "/api/v1/readings", "/api/v1/data", "/sensor-data", "/sensor-data/{device_id}", "/health", "/ready",
            "/metrics"} <= set(doc["paths"]), list(doc["paths"])
    for path, methods in doc["paths"].items():
        for method, what in methods.items():
            assert what["summary"] and what["responses"], (path, method)
            for p in what.get("parameters", []):
                assert p["name"] and p["in"] in ("path", "query", "header") and p["schema"], p
            if method == "get" and path != "/mqtt":
                needed = {p["name"]: (p["in"], given[p["name"]]) for p in what.get("parameters", []) if p.get("required")}
                for name, (_, value) in needed.items():
                    path = path.replace("{" + name + "}", value)
                more = "&".join(f"{name}={value}" for name, (where, value) in needed.items() if where == "query")
                status, _, _ = hub.request("GET", path + ("?" + more if more else ""))
                assert status == 200, (path, more, status)
    client.close()


def test_wrong_parameters_are_named(box):
    hub = box.hub()
    for query, field in (("limit=0", "limit"), ("limit=10001", "limit"), ("limit=x", "limit"), ("device=a%20b", "device"),
                         ("from=yesterday", "from"), ("kind=nonsense", "kind"), ("step=0s", "step"), ("step=5x&device=a", "step"),
                         ("before=garbage", "before"), ("unknown=1", "unknown"), ("limit=1&limit=2", "limit"),
                         ("step=1s", None), ("field=%00", None)):
        status, _, body = hub.request("GET", f"/api/v1/readings?{query}")
        assert status in (400, 422), (query, status, body)
        if field:
            assert field in body.decode(), (query, body)


main(globals())
