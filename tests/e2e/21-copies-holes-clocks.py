"""What may go wrong between an edge and its hub beside being away: a copied edge, a hub that lost what it
had, a clock that was never set, a sender that repeats itself, a slow link with a backlog."""
import json
import shutil
import signal
import time

import paho.mqtt.client as mqtt
from faults import Feeder, check_all_there, stored_numbers
from harness import LineSocket, SLOW, Skip, main, until


def hand_in(box, name, lines):
    s = LineSocket(box.dir / f"{name}.ingest")
    for l in lines:
        s.send(l)
    answers = [s.answer() for _ in lines]
    s.close()
    return answers


def items(hub, device, stream):
    return hub.get(f"/api/v1/readings?device={device}&stream={stream}&limit=10000")["items"]


def values(hub, device, stream):
    return [i["value"] for i in reversed(items(hub, device, stream))]


def test_a_copied_edge_is_noticed_and_nothing_of_it_is_lost(box):
    hub = box.hub(name="hub")
    one = box.edge(hub.port("mqtt"), name="one")
    hand_in(box, "one", [{"stream": "a", "value": n} for n in range(10)])
    until(lambda: len(values(hub, "one", "a")) == 10, "the first readings")
    one.stop()
    two = box.edge(hub.port("mqtt"), name="two", start=False)
    shutil.copytree(box.dir / "one" / "data", box.dir / "two" / "data")
    one.start()
    hand_in(box, "one", [{"stream": "a", "value": n} for n in range(10, 30)])
    until(lambda: len(values(hub, "one", "a")) == 30, "what the one took")
    two.start()
    hand_in(box, "two", [{"stream": "a", "value": n} for n in range(100, 150)])
    until(lambda: len(values(hub, "two", "a")) == 50, "what the copy took")
    assert values(hub, "one", "a") == list(range(30))
    assert values(hub, "two", "a") == list(range(100, 150))
    assert hub.metric("wayside_store_forks_total") == 1
    assert hub.logged(module="store", msg="a journal goes on from a number that it had passed")
    device = hub.get("/api/v1/devices?device=two")["items"][0]
    assert device["forks"] == 1, device


def test_an_edge_restored_from_an_image_loses_nothing(box):
    hub = box.hub(name="hub")
    edge = box.edge(hub.port("mqtt"))
    hand_in(box, "edge", [{"stream": "a", "value": n} for n in range(10)])
    until(lambda: len(values(hub, "edge", "a")) == 10, "the first readings")
    edge.stop()
    shutil.copytree(box.dir / "edge" / "data", box.dir / "image")
    edge.start()
    hand_in(box, "edge", [{"stream": "a", "value": n} for n in range(10, 40)])
    until(lambda: len(values(hub, "edge", "a")) == 40, "the readings after the image was made")
    edge.stop()
    shutil.rmtree(box.dir / "edge" / "data")
    shutil.copytree(box.dir / "image", box.dir / "edge" / "data")
    edge.start()
    hand_in(box, "edge", [{"stream": "a", "value": n} for n in range(1000, 1020)])
    until(lambda: len(values(hub, "edge", "a")) == 60, "the readings of the restored edge")
    assert sorted(values(hub, "edge", "a")) == list(range(40)) + list(range(1000, 1020))
    assert hub.metric("wayside_store_forks_total") == 1


def test_a_hub_that_lost_everything_gets_what_is_there_and_is_told_what_is_not(box):
    hub = box.hub(name="hub")
    port = hub.keep_port()
    edge = box.edge(port, extra="journal: {segment: 64KiB, quota: 1MiB, free_floor: 0}")
    hand_in(box, "edge", [{"stream": "a", "value": {"n": n, "f": "x" * 200}} for n in range(900)])
    until(lambda: len(values(hub, "edge", "a")) == 900, "the readings")
    until(lambda: edge.get_status()["uplink"]["backlog"] == 0, "the acknowledgements")
    hub.kill()
    shutil.rmtree(box.dir / "hub" / "data")
    hub.start()
    hand_in(box, "edge", [{"stream": "a", "value": {"n": 900, "f": ""}}])
    until(lambda: [v["n"] for v in values(hub, "edge", "a")][-1:] == [900], "the newest reading", 20)
    until(lambda: edge.get_status()["uplink"]["backlog"] == 0, "the rest")
    assert edge.get_status()["uplink"]["rewinds"] >= 1
    got = [v["n"] for v in values(hub, "edge", "a")]
    assert got == list(range(got[0], 901)), "a hole, or out of order"
    gaps = hub.get("/api/v1/gaps?device=edge")["items"]
    lost = sum(g["last"] - g["first"] + 1 for g in gaps)
    assert lost == got[0], f"{got[0]} readings are gone with the old hub, {lost} are told as lost: {gaps}"
    assert hub.get("/api/v1/devices?device=edge")["items"][0]["lost"] == lost


def test_a_restarted_hub_knows_its_senders(box):
    hub = box.hub(name="hub")
    port = hub.keep_port()
    edge = box.edge(port)
    hand_in(box, "edge", [{"stream": "a", "value": n} for n in range(20)])
    until(lambda: len(values(hub, "edge", "a")) == 20, "the readings")
    for end in (hub.kill, hub.stop):
        assert hub.request("POST", "/api/v1/data", {"device_id": "own", "n": 1})[0] == 200
        end()
        hub.start()
        hand_in(box, "edge", [{"stream": "b", "value": 1}])
        until(lambda: hub.get("/api/v1/nodes")["items"][0]["batches"] >= 1, "a batch after the restart")
        (node,) = hub.get("/api/v1/nodes")["items"]  # the hub's own journal is not one that sends to it
        assert node["holes"] == 0
    assert edge.get_status()["uplink"]["rewinds"] == 0


def test_a_clock_that_was_never_set_is_corrected(box):
    hub = box.hub(name="hub")
    box.edge(hub.port("mqtt"))
    before = time.time()
    hand_in(box, "edge", [{"stream": "a", "value": 1, "timestamp": "1970-01-01T00:00:12Z"},
                          {"stream": "a", "value": 2, "timestamp": "2019-06-01T00:00:00Z"}])
    until(lambda: len(items(hub, "edge", "a")) == 2, "the readings")
    by_value = {i["value"]: i for i in items(hub, "edge", "a")}
    assert by_value[1]["sent_time"].startswith("1970-01-01T00:00:12"), by_value[1]
    stamp = time.strftime("%Y-%m-%dT%H", time.gmtime(before))
    assert by_value[1]["time"].startswith(stamp) or time.time() - before > 3000, by_value[1]
    assert by_value[2]["time"].startswith("2019-06-01") and "sent_time" not in by_value[2]
    assert hub.metric("wayside_uplink_corrected_times_total") >= 1


def test_a_first_batch_that_was_held_up_is_no_wrong_clock(box):
    hub = box.hub(name="hub", extra="limits: {clock_error_max: 1s}")
    edge = box.edge(hub.port("mqtt"))
    until(lambda: edge.logged(module="uplink", msg="connected"), "the edge to be connected")
    assert not hub.get("/api/v1/nodes")["items"], "a batch came before the hub was stopped"
    hub.process.send_signal(signal.SIGSTOP)
    try:
        start = time.monotonic()
        assert len(hand_in(box, "edge", [{"stream": "a", "value": n} for n in range(5)])) == 5
        # Longer than a clock may be off, shorter than the edge waits for an answer to its ping.
        time.sleep(max(0, start + 2.5 - time.monotonic()))
    finally:
        hub.process.send_signal(signal.SIGCONT)
    until(lambda: values(hub, "edge", "a") == list(range(5)), "what was held up")
    hand_in(box, "edge", [{"stream": "a", "value": 5}])
    until(lambda: values(hub, "edge", "a") == list(range(6)), "what came after it")
    assert not [i for i in items(hub, "edge", "a") if "sent_time" in i], items(hub, "edge", "a")
    assert hub.metric("wayside_uplink_corrected_times_total") == 0


def test_an_id_that_comes_again_is_one_row(box):
    hub = box.hub(name="hub")
    edge = box.edge(hub.port("mqtt"))
    line = {"stream": "door", "value": {"open": True}, "id": "d-17"}
    assert hand_in(box, "edge", [line, line]) == [{"ack": "d-17"}, {"ack": "d-17"}]
    edge.kill()
    edge.start()
    assert hand_in(box, "edge", [line, {**line, "id": "d-18"}]) == [{"ack": "d-17"}, {"ack": "d-18"}]
    until(lambda: edge.get_status()["uplink"]["backlog"] == 0, "everything to arrive")
    until(lambda: hub.metric("wayside_store_repeated_ids_total") == 2, "the repeats to be noticed")
    assert len(items(hub, "edge", "door")) == 2


def test_people_see_now_while_history_fills_in(box):
    hub = box.hub(name="hub")
    edge = box.edge(hub.port("mqtt"), start=False)
    edge.config.write_text(edge.config.read_text().replace('uplink: {', 'uplink: {rate: 6KiB, batch: 4KiB, '))
    edge.start()
    live = []
    client = mqtt.Client(protocol=mqtt.MQTTv5)

    def on_message(_c, _u, m):
        user = dict(m.properties.UserProperty) if hasattr(m.properties, "UserProperty") else {}
        live.append((json.loads(m.payload)["n"], user.get("stored", "1")))

    client.on_message = on_message
    client.connect("127.0.0.1", hub.port("mqtt"))
    client.subscribe("wayside/edge/reading/count0", 0)
    client.loop_start()
    feeder = Feeder(box.dir / "edge.ingest", rate=400)
    feeder.start()
    ahead = until(lambda: [n for n, stored in list(live) if stored == "0"], "a newest value ahead of the backlog", 30)
    behind = max(stored_numbers(hub, "count0") or [0])
    assert ahead[-1] > behind, (ahead[-1], behind)
    feeder.end = True
    feeder.join()
    edge.configure(edge.config.read_text().replace("rate: 6KiB", "rate: 0"))
    edge.stop()
    edge.start()
    check_all_there(hub, [feeder], "after the backlog")
    client.loop_stop()
    client.disconnect()
    assert hub.metric("wayside_uplink_received_live_total") >= 1


def test_several_edges_through_a_regional_hub_keep_their_identity(box):
    cloud = box.hub(name="cloud")
    regional = box.hub(name="regional", extra=f'edge: {{host: {{enabled: false}}, uplink: {{hub: "127.0.0.1:{cloud.port("mqtt")}"}}}}')
    port = regional.keep_port()
    edges = [box.edge(port, name=f"edge{i}") for i in range(3)]
    feeders = [Feeder(box.dir / f"edge{i}.ingest", rate=200) for i in range(3)]
    for f in feeders:
        f.start()
    until(lambda: all(len(f.acked) > 300 for f in feeders), "readings")
    regional.kill()
    regional.start()
    until(lambda: all(len(f.acked) > 600 for f in feeders), "more readings")
    for f in feeders:
        f.end = True
        f.join()
    journals = set()
    for e, f in zip(edges, feeders):
        check_all_there(regional, [f], "the regional hub", device=e.name)
        check_all_there(cloud, [f], "the cloud hub", device=e.name)
        for hub in (regional, cloud):
            journals.add((e.name, hub.get(f"/api/v1/devices?device={e.name}")["items"][0]["journal"]))
    assert len(journals) == 3, f"the same device has another journal on another hub: {journals}"


def test_status_shows_nodes_and_what_waits(box):
    hub = box.hub(name="hub")
    edge = box.edge(hub.port("mqtt"))
    hand_in(box, "edge", [{"stream": "a", "value": 1, "device": "d1"}])
    until(lambda: items(hub, "d1", "a"), "the reading")
    text = hub.cli("status", "--control", str(box.dir / "hub.sock")).stdout
    assert "NODE" in text and "edge" in text, text
    hub.stop()
    hand_in(box, "edge", [{"stream": "a", "value": n, "device": f"d{n % 2}"} for n in range(10)])
    text = edge.cli("status", "--control", str(box.dir / "edge.sock")).stdout
    assert "10 records to send" in text and "WAITING" in text, text
    rows = {l.split()[0]: l.split()[1] for l in text.splitlines() if l.startswith(("d0", "d1"))}
    assert rows == {"d0": "5", "d1": "5"}, text


def test_an_edge_gives_back_the_memory_of_a_burst(box):
    if SLOW > 1:
        raise Skip("sanitizers keep freed memory")
    edge = box.edge(1, extra="journal: {quota: 1GiB, free_floor: 0}")
    memory = lambda: next(int(l.split()[1]) for l in open(f"/proc/{edge.process.pid}/status") if l.startswith("RssAnon:"))
    feeders = [Feeder(box.dir / "edge.ingest", i, window=900, filler=172) for i in range(4)]
    for f in feeders:
        f.start()
    until(lambda: sum(len(f.acked) for f in feeders) >= 100000, "the burst")
    for f in feeders:
        f.end = True
    for f in feeders:
        f.join()
    full = memory()
    until(lambda: memory() < full - 1000, f"less than the {full} KiB of the burst", 25)


main(globals())
