"""Two hubs that write into one PostgreSQL, an edge that moves between them, and a database that is away or came
back from an older copy: whatever is in one of the journals gets into the database, and the rest is told."""
import shutil
import signal

from faults import Feeder
from harness import Postgres, main, until


def numbers(server):
    return [int(n) for n in server.psql("SELECT (value->>'n')::int FROM wayside.readings WHERE stream LIKE 'count%'").split()]


def told(server):
    return int(server.psql("SELECT coalesce(sum(last_seq - first_seq + 1), 0) FROM wayside.gaps"))


def ready(node):
    return node.request("GET", "/ready", service="health")[0] == 200


def hub_on(box, server, name):
    hub = box.hub(name=name, extra=f'store: {{postgres: "{server.conninfo}"}}', ready=False)
    until(lambda: hub.logged(msg="listening", service="health"), name)
    hub.keep_port()
    return hub


def feed(box, server):
    feeder = Feeder(box.dir / "edge.ingest", rate=300)
    feeder.start()
    until(lambda: len(numbers(server)) > 300, "the first rows", 30)
    return feeder


def acked_more(feeder, count):
    mark = len(feeder.acked)
    until(lambda: len(feeder.acked) > mark + count, "more readings")


def move(edge, old, new):
    edge.stop()
    edge.config.write_text(edge.config.read_text().replace(f"127.0.0.1:{old.port('mqtt')}", f"127.0.0.1:{new.port('mqtt')}"))
    edge.start()


def end(feeder, edge):
    feeder.end = True
    feeder.join()
    until(lambda: edge.get_status()["uplink"]["backlog"] == 0, "the edge to have sent all", 30)


def all_are_rows(server, feeder, why):
    """Each that was acknowledged becomes a row, once, and is not told as lost any more."""
    until(lambda: set(feeder.acked) <= set(numbers(server)), why, 40)
    rows = numbers(server)
    assert len(rows) == len(set(rows)), "stored twice"
    until(lambda: told(server) == 0, "what came after all not to be told as lost", 30)


def with_the_database_away(box):
    """A hub, an edge that feeds it, and 600 readings that are in the hub's journal only."""
    server = Postgres(box)
    hub = hub_on(box, server, "a")
    edge = box.edge(hub.port("mqtt"))
    feeder = feed(box, server)
    server.stop()
    acked_more(feeder, 600)
    until(lambda: edge.get_status()["uplink"]["acked"] > 600, "the hub to acknowledge")
    return server, hub, edge, feeder


def test_an_edge_moves_while_the_database_is_away(box):
    server, a, edge, feeder = with_the_database_away(box)
    a.kill()
    b = hub_on(box, server, "b")
    move(edge, a, b)
    acked_more(feeder, 300)
    end(feeder, edge)
    server.start()
    until(lambda: max(numbers(server)) >= max(feeder.acked), "the second hub's rows", 40)
    a.start(ready=False)
    until(lambda: ready(a), "the first hub", 40)
    all_are_rows(server, feeder, "what the first hub's journal has to become rows")


def test_a_hub_loses_its_disk_while_the_database_is_away(box):
    server, a, edge, feeder = with_the_database_away(box)
    a.kill()
    shutil.rmtree(a.dir / "data")
    a.start(ready=False)
    until(lambda: a.logged(msg="listening", service="mqtt"), "the hub")
    acked_more(feeder, 300)
    end(feeder, edge)
    server.start()
    until(lambda: max(numbers(server)) >= max(feeder.acked), "the rows", 40)
    all_are_rows(server, feeder, "what the edge's journal has to become rows")


def test_an_older_copy_of_the_database_after_an_edge_has_moved(box):
    server = Postgres(box)
    a = hub_on(box, server, "a")
    edge = box.edge(a.port("mqtt"))
    feeder = feed(box, server)
    server.stop(signal.SIGINT)
    server.copy("data", "older")
    server.start()
    until(lambda: ready(a), "the first hub", 30)
    mark = len(numbers(server))
    until(lambda: len(numbers(server)) > mark + 600, "more rows by the first")
    b = hub_on(box, server, "b")
    move(edge, a, b)
    until(lambda: len(numbers(server)) > mark + 1200, "more rows by the second")
    end(feeder, edge)
    until(lambda: set(feeder.acked) <= set(numbers(server)), "all rows")
    a.stop()
    server.stop(signal.SIGINT)
    server.copy("older", "data")
    server.start()
    until(lambda: ready(b), "the second hub", 30)
    until(lambda: max(numbers(server), default=0) >= max(feeder.acked), "the second hub's rows", 40)
    a.start(ready=False)
    until(lambda: ready(a), "the first hub again", 40)
    all_are_rows(server, feeder, "what the two journals have to become rows")


main(globals())
