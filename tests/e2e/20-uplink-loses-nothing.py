"""The hub is killed for 20 s while an edge reads 100 readings a second from its socket, then the edge
is killed too; both start again: every acknowledged reading is in the store once, in order."""
import os
import threading
import time

from harness import LineSocket, main, until

AWAY = float(os.environ.get("WAYSIDE_AWAY", "20"))
RATE = 100


class Feeder(threading.Thread):
    """Sends numbered readings at a steady rate and keeps which of them were acknowledged."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path, self.acked, self.sent, self.end = path, [], 0, False

    def run(self):
        s, due = None, time.monotonic()
        pending = []
        while not self.end:
            try:
                if s is None:
                    s, pending = LineSocket(self.path), []
                s.send({"stream": "count", "value": {"n": self.sent}})
                pending.append(self.sent)
                self.sent += 1
                s.answer()
                self.acked.append(pending.pop(0))
            except OSError:
                s = None
            due += 1 / RATE
            time.sleep(max(0, due - time.monotonic()))  # the rate is the input, not a wait for a result


def stored(hub):
    items, query = [], "/api/v1/readings?device=edge&stream=count&limit=10000"
    page = hub.get(query)
    items += page["items"]
    while page["next"]:
        page = hub.get(f"{query}&before={page['next']}")
        items += page["items"]
    return [i["value"]["n"] for i in reversed(items)]


def test_killed_hub_and_killed_edge_lose_nothing(box):
    hub = box.hub(name="hub")
    port = hub.keep_port()
    edge = box.edge(port)
    feeder = Feeder(box.dir / "edge.ingest")
    feeder.start()
    until(lambda: len(stored(hub)) > 50, "readings to flow")
    hub.kill()
    mark = time.monotonic()
    until(lambda: time.monotonic() - mark > AWAY, "the time away", AWAY + 5)
    edge.kill()
    edge.start()
    hub.start()
    until(lambda: feeder.acked and feeder.acked[-1] > AWAY * RATE * 0.8, "the feeder to go on", 30)
    feeder.end = True
    feeder.join()
    last = feeder.acked[-1]
    until(lambda: last in stored(hub), "the last acknowledged reading", 30)
    got = stored(hub)
    missing = sorted(set(feeder.acked) - set(got))
    assert not missing, f"{len(missing)} of {len(feeder.acked)} acknowledged readings are lost: {missing[:10]}"
    assert len(got) == len(set(got)), "a reading is stored twice"
    assert got == sorted(got), "readings are out of order"


main(globals())
