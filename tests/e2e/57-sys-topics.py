"""The topics below $SYS have the names and the form that mosquitto gives them, say the same as the metrics, and
nobody publishes there."""
import re
import shutil
import socket
import subprocess
import tempfile

from harness import Skip, main, until
from mqtt_raw import Client


EACH_SECOND = """    - {address: "127.0.0.1:0"}
  sys_interval_s: 1"""


def named(text):
    """topic -> the texts that came, out of `mosquitto_sub -v`."""
    out = {}
    for line in text.splitlines():
        m = re.match(r"(\$SYS/broker/(?:retained messages/count|\S+)) (.*)", line)
        assert m, line
        out.setdefault(m[1], []).append(m[2])
    return out


def listen(port, seconds):
    if not shutil.which("mosquitto_sub"):
        raise Skip("mosquitto_sub is not installed")
    r = subprocess.run(["mosquitto_sub", "-p", str(port), "-t", "$SYS/#", "-v", "-W", str(seconds)], capture_output=True, text=True)
    return named(r.stdout)


def mosquitto_says(seconds):
    program = shutil.which("mosquitto") or shutil.which("/usr/sbin/mosquitto")
    if not program:
        raise Skip("mosquitto is not installed")
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as conf:
        conf.write(f"listener {port} 127.0.0.1\nallow_anonymous true\nsys_interval 1\n")
        conf.flush()
        p = subprocess.Popen([program, "-c", conf.name], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            until(lambda: socket.create_connection(("127.0.0.1", port), 1).close() is None, "mosquitto")
            return listen(port, seconds)
        finally:
            p.terminate()
            p.wait()


def form(text):
    return re.sub(r"[0-9]+", "0", text)


def test_every_topic_of_mosquitto_is_there_in_its_form(box):
    theirs = mosquitto_says(4)
    hub = box.hub(mqtt=EACH_SECOND)
    ours = listen(hub.port("mqtt"), 4)
    assert len(theirs) > 40, theirs
    missing = sorted(set(theirs) - set(ours))
    assert not missing, missing
    for topic in set(theirs) - {"$SYS/broker/version"}:
        assert {form(t) for t in theirs[topic]} == {form(t) for t in ours[topic]}, (topic, theirs[topic], ours[topic])
    assert re.fullmatch(r"wayside version \S+", ours["$SYS/broker/version"][0])
    # Only what has changed comes again.
    assert len(ours["$SYS/broker/uptime"]) >= 2
    assert len(ours["$SYS/broker/shared_subscriptions/count"]) == 1, ours
    assert ours["$SYS/broker/limits/mqtt_queue_max_messages"] == ["10000"]


def test_they_say_the_same_as_the_metrics(box):
    hub = box.hub(mqtt=EACH_SECOND)
    c = Client(hub, 4, "c")
    for _ in range(20):
        c.publish("a/b", "x" * 100, 1)
    c.close()
    want = {"publish/messages/received": "wayside_mqtt_messages_received_total", "bytes/received": "wayside_mqtt_received_bytes_total",
            "publish/bytes/received": "wayside_mqtt_received_payload_bytes_total", "messages/received": "wayside_mqtt_packets_received_total"}
    numbers = {}

    def same():
        before = {k: hub.metric(v) for k, v in want.items()}
        said = {k: v[-1] for k, v in listen(hub.port("mqtt"), 2).items()}
        numbers.update(before=before, said=said)
        # mosquitto_sub itself sends a CONNECT, a SUBSCRIBE and the like between the two.
        return (int(said["$SYS/broker/publish/messages/received"]) == before["publish/messages/received"] == 20
                and int(said["$SYS/broker/publish/bytes/received"]) == before["publish/bytes/received"] == 2000
                and 0 <= int(said["$SYS/broker/messages/received"]) - before["messages/received"] <= 4
                and 0 <= int(said["$SYS/broker/bytes/received"]) - before["bytes/received"] <= 200)
    try:
        until(same, "the numbers to agree")
    except AssertionError as e:
        raise AssertionError(f"{e}: {numbers}")


def test_nobody_publishes_there(box):
    hub = box.hub(mqtt=EACH_SECOND, extra="limits: {mqtt_retained_max: 3}", node=", workers: 1")
    c = Client(hub, 5, "c")
    assert c.publish("$SYS/broker/version", "mine", 1, retain=True) == 0x87
    c.close()
    said = listen(hub.port("mqtt"), 2)
    assert said["$SYS/broker/version"][0].startswith("wayside"), said
    assert len(said) > 60, "they take no room of the clients' retained topics"


def test_a_refused_will_is_named(box):
    hub = box.hub(mqtt=EACH_SECOND)
    topic = "$SYS/broker/connection/another/state"
    r = subprocess.run(["mosquitto_sub", "-p", str(hub.port("mqtt")), "-i", "me", "-t", "x", "--will-topic", topic, "-W", "5"],
                       capture_output=True, text=True)
    assert "not authorised" in r.stderr, r
    until(lambda: hub.logged(msg="connection refused", client="me", topic=topic), "the topic in the log")


def test_without_an_interval_there_are_none(box):
    hub = box.hub(mqtt=EACH_SECOND.replace("s: 1", "s: 0"))
    assert listen(hub.port("mqtt"), 1) == {}


main(globals())
