"""Whoever takes more than its share harms itself at most: places, time and memory of others stay theirs."""
import pathlib
import resource
import shutil
import signal
import socket
import ssl
import subprocess
import time

import mqtt_raw
from harness import SLOW, Skip, main, until
from mqtt_raw import PINGREQ, PINGRESP, PUBLISH, Client, Raw, ack, connect, packet, publish


def rss_kib(node):
    for line in pathlib.Path(f"/proc/{node.process.pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1])
    raise AssertionError("RssAnon")


def dial(address, source=None):
    return socket.create_connection(address, timeout=20 * SLOW, source_address=(source, 0) if source else None)


def is_ended(s):
    s.settimeout(20 * SLOW)
    try:
        return s.recv(100) == b""
    except ConnectionError:
        return True


def is_open(s):
    s.settimeout(0.05)
    try:
        return s.recv(1, socket.MSG_PEEK) != b""
    except TimeoutError:
        return True
    except ConnectionError:
        return False


# ---- at the door ----

def test_the_oldest_without_a_connect_makes_room(box):
    hub = box.hub(extra="limits: {mqtt_connecting_max: 20}", node=", workers: 1")
    good = Client(hub, 5, "there before")
    silent = [dial(hub.address("mqtt")) for _ in range(60)]
    until(lambda: hub.metric("wayside_mqtt_connects_crowded_out_total") == 40, "the older ones to be ended")
    for s in silent[:40]:
        assert is_ended(s)
    assert all(is_open(s) for s in silent[40:])
    late = Client(hub, 4, "late")
    late.ping()
    good.ping()  # who has said CONNECT is not among them
    for s in silent:
        s.close()
    c = [Client(hub, 4) for _ in range(40)]
    for one in c:
        one.ping()


def test_one_address_has_its_places_and_others_theirs(box):
    hub = box.hub(extra="limits: {connections_per_address_max: 5}", node=", workers: 2")
    address = hub.address("mqtt")
    ours = []

    def enter(source):
        s = dial(address, source)
        s.sendall(connect(4, f"c{len(ours)}"))
        s.settimeout(20 * SLOW)
        try:
            ok = s.recv(4) == b"\x20\x02\x00\x00"
        except ConnectionError:
            ok = False
        if ok:
            ours.append(s)
        return ok
    assert [enter("127.0.0.2") for _ in range(8)] == [True] * 5 + [False] * 3
    assert hub.metric("wayside_connections_turned_away_total") == 3
    assert [enter("127.0.0.3") for _ in range(5)] == [True] * 5
    ours[0].close()
    until(lambda: enter("127.0.0.2"), "the place of the one that left")


def test_all_listeners_together_have_connections_max(box):
    hub = box.hub(extra="limits: {connections_max: 6}", node=", workers: 2")
    clients = [Client(hub, 4) for _ in range(3)]
    web = [dial(hub.address("api")) for _ in range(3)]
    for s in web:
        s.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert s.recv(100).startswith(b"HTTP/1.1 200")
    assert hub.get_status(), "the control socket is apart"
    for service in ("mqtt", "mqtt-websocket", "api"):
        assert is_ended(dial(hub.address(service))), service
    for c in clients:
        c.ping()
    assert hub.metric("wayside_connections_turned_away_total") == 3


def test_a_full_node_answers_its_probes(box):
    hub = box.hub(extra="limits: {connections_max: 4, health_connections_max: 2}", node=", workers: 2")

    def probe():
        s = dial(hub.address("health"))
        s.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return s, s.recv(100)

    probes = [probe() for _ in range(2)]
    assert all(answer.startswith(b"HTTP/1.1 200") for _, answer in probes), probes
    assert is_ended(dial(hub.address("health"))), "health has as many places as it likes"
    clients = [Client(hub, 4) for _ in range(4)]  # those of health are none of theirs
    assert is_ended(dial(hub.address("mqtt")))
    for s, _ in probes:
        s.close()
    assert until(lambda: hub.request("GET", "/health", service="health")[0], "a place of health to be free") == 200
    for c in clients:
        c.ping()


def test_strangers_leave_the_node_the_files_that_it_needs(box):
    hub = box.hub(start=False, extra="journal: {segment: 64KiB, quota: 16MiB}", node=", workers: 2")
    hub.before = ["sh", "-c", 'ulimit -n 256 && exec "$@"', "sh"]
    hub.start()
    assert hub.logged(level="warn", module="node", allowed=256, needed=10192), "it does not say that places are few"
    good = Client(hub, 4)
    many = [dial(hub.address("mqtt")) for _ in range(300)]
    for s in many:
        try:
            s.sendall(connect(4, ""))
        except OSError:
            pass
    until(lambda: hub.logged(module="net", msg="cannot accept connections"), "accepting to pause")
    until(lambda: len(list(pathlib.Path(f"/proc/{hub.process.pid}/fd").iterdir())) > 180, "the places to be taken")
    assert hub.request("GET", "/health", service="health")[0] == 200, "health has no files of its own"
    # Several new segments, a question, a reload.
    for n in range(200):
        good.publish("wayside/d/event/e", "x" * 2000, 1)
    assert hub.get_status()
    hub.process.send_signal(signal.SIGHUP)
    until(lambda: hub.logged(module="config", msg="reloaded"), "the reload")
    assert len(list(pathlib.Path(f"/proc/{hub.process.pid}/fd").iterdir())) < 256 - 40
    for s in many:
        s.close()
    until(lambda: hub.metric("wayside_mqtt_connections") == 1, "them to be gone")
    assert hub.metric("wayside_connections_turned_away_total") >= 1
    Client(hub, 5).ping()


def test_a_soft_limit_of_open_files_is_raised(box):
    hub = box.hub(start=False, extra="limits: {connections_max: 300}")
    hub.before = ["sh", "-c", 'ulimit -Sn 100 && exec "$@"', "sh"]
    hub.start()
    assert not hub.logged(level="warn")
    for c in [Client(hub, 4) for _ in range(200)]:
        c.ping()


def test_handshakes_that_go_nowhere_keep_nobody_out(box):
    if not shutil.which("openssl"):
        raise Skip("openssl is not installed")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "k", "-out",
                    "c", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"], cwd=box.dir, check=True,
                   capture_output=True, timeout=60 * SLOW)
    hub = box.hub(mqtt=f'    - {{address: "127.0.0.1:0", cert: {box.dir}/c, key: {box.dir}/k}}', node=", workers: 1",
                  extra="limits: {tls_handshakes_max: 4, tls_handshake_timeout: 60s}")
    trust = ssl.create_default_context(cafile=str(box.dir / "c"))
    silent = [dial(hub.address("mqtt")) for _ in range(12)]
    began = time.monotonic()
    good = trust.wrap_socket(dial(hub.address("mqtt")), server_hostname="127.0.0.1")
    good.sendall(connect(4, "good"))
    assert good.recv(4) == b"\x20\x02\x00\x00"
    assert time.monotonic() - began < 15 * SLOW, "it waited for strangers"
    assert hub.metric("wayside_connections_turned_away_total") >= 8
    for s in silent:
        s.close()
    # A crowd of good ones is never turned away, however few may shake hands at a time.
    before = hub.metric("wayside_connections_turned_away_total")
    for s in [trust.wrap_socket(dial(hub.address("mqtt")), server_hostname="127.0.0.1") for _ in range(50)]:
        s.sendall(connect(4, ""))
        assert s.recv(4) == b"\x20\x02\x00\x00"
    assert hub.metric("wayside_connections_turned_away_total") == before


def test_places_for_handshakes_are_each_listeners_own(box):
    if not shutil.which("openssl"):
        raise Skip("openssl is not installed")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "k", "-out",
                    "c", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"], cwd=box.dir, check=True,
                   capture_output=True, timeout=60 * SLOW)
    pair = f"cert: {box.dir}/c, key: {box.dir}/k"
    hub = box.hub(mqtt=f'    - {{address: "127.0.0.1:0", {pair}}}\n    - {{address: "127.0.0.1:0", protocol: websocket, {pair}, proxy_protocol: true}}',
                  node=", workers: 1", extra="limits: {tls_handshakes_max: 4, tls_handshake_timeout: 60s, proxy_timeout: 60s}", start=False)
    hub.config.write_text(hub.config.read_text().replace('api: {address: "127.0.0.1:0"}', f'api: {{address: "127.0.0.1:0", {pair}}}'))
    hub.start()
    trust = ssl.create_default_context(cafile=str(box.dir / "c"))
    turned_away = lambda: hub.metric("wayside_connections_turned_away_total")
    shake = lambda service, first=b"": (s := dial(hub.address(service)), s.sendall(first), trust.wrap_socket(s, server_hostname="127.0.0.1"))[2]
    silent = [dial(hub.address("mqtt")) for _ in range(4)]
    time.sleep(1.2)  # their patience, which is real time
    shake("api")
    assert turned_away() == 0 and all(is_open(s) for s in silent), "the flood is on another listener"
    shake("mqtt")
    assert turned_away() == 1 and [is_open(s) for s in silent] == [False, True, True, True], "one came, one goes"
    # Who has not said for whom it comes will shake hands next.
    silent = [dial(hub.address("mqtt-websocket")) for _ in range(4)]
    shake("mqtt-websocket", b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 1883\r\n")
    assert turned_away() == 2 and not is_open(silent[0]) and all(is_open(s) for s in silent[1:])


def test_a_handshake_has_its_time(box):
    if not shutil.which("openssl"):
        raise Skip("openssl is not installed")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "k", "-out",
                    "c", "-days", "2", "-subj", "/CN=localhost"], cwd=box.dir, check=True, capture_output=True, timeout=60 * SLOW)
    hub = box.hub(mqtt=f'    - {{address: "127.0.0.1:0", cert: {box.dir}/c, key: {box.dir}/k}}', extra="limits: {tls_handshake_timeout: 300ms}")
    began = time.monotonic()
    assert is_ended(dial(hub.address("mqtt")))
    assert time.monotonic() - began < 8 * SLOW


# ---- inside ----

def test_ids_of_qos_2_without_end(box):
    hub = box.hub()
    for version in (4, 5):
        c = Client(hub, version)
        before = rss_kib(hub)
        for i in range(1, 3001):  # and never a PUBREL
            try:
                c.send(publish(version, "q2", b"x" * 100, 2, i))
            except OSError:
                break
        if version == 5:
            last = None
            try:
                while (p := c.next()) is not None:
                    last = p
            except ConnectionError:
                pass
            assert last and last.kind == mqtt_raw.DISCONNECT and last.code == 0x93, last
        else:  # it was told of no window
            for i in range(1, 3001):
                p = c.next()
                assert p.kind == mqtt_raw.PUBREC and p.id == i, p
            c.ping()
        assert rss_kib(hub) - before < 4096 * max(1, SLOW)
    Client(hub, 5).ping()


def test_a_flood_of_pings_that_reads_no_answer_is_bounded(box):
    hub = box.hub(extra="limits: {send_queue_max: 64KiB}")
    good = Client(hub, 5)
    c = Raw(hub, 4)
    c.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    c.send(connect(4, "flood"))
    before = rss_kib(hub)
    c.s.settimeout(1)
    flood = packet(PINGREQ) * 20000
    try:
        for _ in range(400):  # 16 MB of answers
            c.s.sendall(flood)
    except OSError:
        pass
    good.ping()
    assert rss_kib(hub) - before < 12 * 1024 * max(1, SLOW), rss_kib(hub) - before
    c.s.close()


def test_a_slow_subscriber_of_everything_slows_nobody(box):
    hub = box.hub(extra="limits: {mqtt_queue_max: 1MiB}")
    slow = []
    for _ in range(20):
        c = Client(hub, 4)
        c.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        c.subscribe(("#", 1))
        slow.append(c)  # never reads again
    quick, pub = Client(hub, 5, "quick"), Client(hub, 5)
    quick.subscribe(("q/#", 1))
    before, worst = rss_kib(hub), 0
    for n in range(400):
        began = time.monotonic()
        pub.publish("q/x", b"y" * 10000, 1)
        quick.message("q/x")
        worst = max(worst, time.monotonic() - began)
    assert worst < 2 * SLOW, worst
    # Each may have a queue, and what is under way in its connection.
    assert rss_kib(hub) - before < (20 * 2 + 16) * 1024 * max(1, SLOW)
    assert hub.metric("wayside_mqtt_messages_dropped_total") > 0
    for c in slow:
        c.s.close()


def test_filters_that_all_match_cost_one_copy_and_no_time_of_others(box):
    hub = box.hub(extra="limits: {mqtt_subscriptions_max: 1000, mqtt_topic_levels_max: 64}", node=", workers: 1")
    bomb, quick = Client(hub, 5), Client(hub, 5)
    levels = 10
    topic = "/".join("a" * (levels))
    filters = ["/".join("+" if n >> k & 1 else "a" for k in range(levels)) for n in range(999)]
    for i in range(0, 999, 111):
        assert set(bomb.subscribe(*[(f, 1) for f in filters[i:i + 111]], props={"subscription_id": i + 1})) == {1}
    assert bomb.subscribe(("#", 0), props={"subscription_id": 7}) == [0]
    assert bomb.subscribe(("one/more", 0)) == [0x97]
    began = time.monotonic()
    for _ in range(100):
        quick.publish(topic, "x", 1)
        m = bomb.message(topic, "x")
        assert m.qos == 1 and len(m.props["subscription_id"]) == 1000
    quick.ping()
    assert time.monotonic() - began < 10 * SLOW
    # Deep ones, and churn.
    deep = "/".join(["+"] * 63) + "/#"
    assert bomb.unsubscribe(*filters) == [0] * 999
    for _ in range(200):
        assert bomb.subscribe(deep) == [0] and bomb.unsubscribe(deep) == [0]
    assert bomb.subscribe("/".join(["+"] * 65)) == [0x8F]
    bomb.quiet(quick)
    until(lambda: hub.metric("wayside_mqtt_subscriptions") == 1, "only # to be left")


def test_groups_of_one_client_are_bounded(box):
    hub = box.hub()
    c, pub = Client(hub, 5), Client(hub, 5)
    assert [c.subscribe((f"$share/g{n}/#", 0))[0] for n in range(33)] == [0] * 32 + [0x97]
    pub.publish("x", "v")
    for _ in range(32):
        c.message("x", "v")
    hub.stop()
    hub = box.hub(extra="limits: {mqtt_shared_subscriptions_max: 2}")
    assert Client(hub, 4).subscribe(*[(f"$share/g{n}/#", 0) for n in range(3)]) == [0, 0, 0x80]


def test_everything_by_everybody(box):
    """`#` of as many sessions as there may be descriptors: one publication reaches all, and the last is not late."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    count = 1500 if most > 4000 else 200
    hub = box.hub(extra="limits: {mqtt_connecting_max: 4000}")
    all_ = [Client(hub, 4) for _ in range(count)]
    for c in all_:
        c.subscribe("#")
    pub = Client(hub, 4)
    began = time.monotonic()
    for n in range(5):
        pub.publish("x", str(n), 1)
    for c in all_:
        for n in range(5):
            c.message("x", str(n))
    assert time.monotonic() - began < 20 * SLOW
    for c in all_:
        c.s.close()
    until(lambda: hub.metric("wayside_mqtt_subscriptions") == 0, "the subscriptions to be gone", 20)


def test_a_storm_of_retained_topics_stops_at_the_limit(box):
    hub = box.hub(extra="limits: {mqtt_retained_max: 500}", node=", workers: 1")
    c = Client(hub, 4)
    before = rss_kib(hub)
    for n in range(3000):
        c.send(publish(4, f"storm/{n}", b"x" * 1000, 0, retain=True))
    c.ping()
    assert hub.metric("wayside_mqtt_messages_dropped_total") >= 2400
    assert rss_kib(hub) - before < 8 * 1024 * max(1, SLOW)


def test_many_full_queues_do_not_take_the_memory_of_all(box):
    """40 absent clients may each have 16 MiB, and the process 60."""
    hub = box.hub(extra="limits: {mqtt_memory_max: 60MiB}", node=", workers: 1")
    base = rss_kib(hub)
    for n in range(40):
        c = Client(hub, 5, f"away-{n}", clean=False, props={"session_expiry": 1000})
        c.subscribe((f"fill/{n}", 1))
        c.s.close()
    pub, payload = Client(hub, 5, "pub"), b"x" * 500_000
    for n in range(40):
        for _ in range(8):  # 160 MB in all, if they were kept
            pub.publish(f"fill/{n}", payload, 1)
    until(lambda: hub.metric("wayside_mqtt_messages_dropped_total") > 0, "some to be dropped")
    # What came between two looks at the memory may be beyond it.
    assert rss_kib(hub) - base < 110 * 1024 * max(1, SLOW), rss_kib(hub)
    assert "mqtt_memory_max" in str(hub.get_status()), hub.get_status()
    # Who has little gets it all the same; nothing more is retained, and what is deleted is.
    near = Client(hub, 5, "near")
    near.subscribe(("near", 1))
    pub.publish("near", b"hello", 1)
    near.message("near")
    assert pub.publish("kept", b"x", 1, retain=True) == 0x97
    pub.publish("kept", b"", 1, retain=True)


main(globals())
