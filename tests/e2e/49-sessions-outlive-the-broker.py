"""kill -9 of the broker at any moment, many times in a row, under load of QoS 1 and 2 between clients whose sessions last:
nothing that was acknowledged is lost, nothing of QoS 2 comes twice, and each publisher's messages keep their order. Then what
else outlives a broker: retained messages, subscriptions, a log that stays in proportion."""
import os
import random
import time

from harness import SLOW, free_port, main
from mqtt_peers import LIMITS, Load
from mqtt_raw import Client

KILLS = int(os.environ.get("WAYSIDE_KILLS", "8"))


def kill_again_and_again(box, kills, mqtt="", sharing=0):
    port = free_port()
    hub = box.hub(node=", workers: 2", mqtt=f'    - {{address: "127.0.0.1:{port}"}}{mqtt}', extra=LIMITS)
    hub.mqtt_port = port
    load = Load(hub, sharing)
    rng = random.Random(int(os.environ.get("WAYSIDE_SEED", "1")))
    for kill in range(kills):
        load.await_more(f"acknowledgements before kill {kill}")
        assert not load.errors(), load.errors()
        time.sleep(rng.random() * 0.4)  # any moment
        hub.kill()
        hub.start()
    load.finish()
    print(f"    {kills} kills, {load.check()} acknowledged, 0 lost, 0 of QoS 2 twice", flush=True)


def test_kill_9_at_any_moment(box):
    kill_again_and_again(box, KILLS)


def test_kill_9_loses_nothing_that_is_only_written(box):
    kill_again_and_again(box, max(3, KILLS // 4), mqtt='\n  durability: interval\n  flush_interval: 1h')


def test_kill_9_loses_nothing_that_is_shared(box):
    """Three members on two workers: each message of QoS 2 comes to one of them, once."""
    kill_again_and_again(box, KILLS, sharing=3)


def test_topics_and_listeners_say_what_outlives_the_broker(box):
    hub = box.hub(mqtt='    - {address: "127.0.0.1:0"}\n  durability: memory\n'
                       '  topics: [{filter: kept/memory/#, durability: memory}, {filter: kept/#, durability: interval}]')
    for topic in ("kept/memory/1", "kept/2", "other/3"):
        box.run("mosquitto_pub", "-h", "127.0.0.1", "-p", str(hub.port("mqtt")), "-t", topic, "-m", topic, "-r", "-q", "1").wait(20 * SLOW)
    hub.kill()
    hub.start()
    out = box.dir / "retained"
    with open(out, "w") as f:
        box.run("mosquitto_sub", "-h", "127.0.0.1", "-p", str(hub.port("mqtt")), "-t", "#", "-v", "-W", "2", stdout=f).wait(20 * SLOW)
    assert out.read_text() == "kept/2 kept/2\n", out.read_text()


def test_what_is_retained_outlives_the_broker(box):
    hub = box.hub()
    for i in range(50):
        box.run("mosquitto_pub", "-h", "127.0.0.1", "-p", str(hub.port("mqtt")), "-t", f"kept/{i % 5}", "-m", str(i), "-r", "-q", str(i % 3)).wait(20 * SLOW)
    box.run("mosquitto_pub", "-h", "127.0.0.1", "-p", str(hub.port("mqtt")), "-t", "kept/4", "-n", "-r", "-q", "1").wait(20 * SLOW)
    hub.kill()
    hub.start()
    out = box.dir / "retained"
    with open(out, "w") as f:
        box.run("mosquitto_sub", "-h", "127.0.0.1", "-p", str(hub.port("mqtt")), "-t", "kept/#", "-v", "-C", "4", "-W", "10", stdout=f).wait(20 * SLOW)
    assert sorted(out.read_text().split("\n")[:-1]) == [f"kept/{i} {45 + i}" for i in range(4)], out.read_text()


def will(client, **props):
    return {"topic": f"w/{client}", "payload": client, "qos": 1, "retain": True, "props": props}


def test_wills_outlive_the_broker(box):
    """Of those who were there: now, or their delay later; not of who said that it goes, or comes back in time."""
    hub = box.hub()
    lasting = {"clean": False, "props": {"session_expiry": 1000}}
    watch = Client(hub, 5, "watch", **lasting)
    watch.subscribe(("w/#", 1))
    there = [Client(hub, 5, "there", will=will("there"), **lasting), Client(hub, 4, "old", clean=False, will={"topic": "w/old", "payload": "old", "qos": 1}),
             Client(hub, 5, "late", will=will("late", will_delay=1), **lasting), Client(hub, 5, "back", will=will("back", will_delay=600), **lasting)]
    Client(hub, 5, "bye", will=will("bye"), **lasting).stop(0)
    for c in there:
        c.publish("kept", "and all before is written", 1, retain=True)
    hub.kill()
    hub.start()
    Client(hub, 5, "back", **lasting).stop(0)
    watch = Client(hub, 5, "watch", **lasting)
    came = {watch.message(dup=False).topic for _ in range(3)}
    assert came == {"w/there", "w/old", "w/late"}, came
    watch.publish("kept", "and its answers are", 1, retain=True)
    hub.kill()
    hub.start()
    watch = Client(hub, 5, "watch", **lasting)
    watch.quiet()
    assert {p.topic for p in Client(hub, 5).retained("w/#")} == {"w/there", "w/late"}


def test_without_durability_they_end_with_the_broker(box):
    hub = box.hub(mqtt='    - {address: "127.0.0.1:0"}\n  durability: memory')
    box.run("mosquitto_pub", "-h", "127.0.0.1", "-p", str(hub.port("mqtt")), "-t", "kept/1", "-m", "x", "-r", "-q", "1").wait(20 * SLOW)
    assert not (box.dir / "hub" / "data" / "mqtt").exists()
    hub.kill()
    hub.start()
    sub = box.run("mosquitto_sub", "-h", "127.0.0.1", "-p", str(hub.port("mqtt")), "-t", "kept/1", "-C", "1", "-W", "2")
    assert sub.wait(20 * SLOW) == 27, "nothing is there within its 2 s"
    assert not (box.dir / "hub" / "data" / "mqtt").exists()


main(globals())
