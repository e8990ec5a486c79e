"""A start that fails at any service takes back what was started and ends with a status and a reason;
an edge that is asked its status all the time stops as cleanly as one that is not."""
import socket
import threading

from harness import LineSocket, SLOW, main, until


def fails(node):
    status = node.process.wait(20 * SLOW)
    assert status > 0, f"ended with status {status}:\n{node.tail()}"
    assert not node.logged(msg="ready")


def test_a_hub_whose_ports_are_taken(box):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for n, where in enumerate(("mqtt", "websocket", "api", "health")):
            hub = box.hub(name=f"hub{n}", start=False)
            text = hub.config.read_text()
            if where == "mqtt":
                text = text.replace('{address: "127.0.0.1:0"}', f'{{address: "127.0.0.1:{port}"}}', 1)
            elif where == "websocket":
                text = text.replace('"127.0.0.1:0", protocol', f'"127.0.0.1:{port}", protocol')
            else:
                text = text.replace(f'{where}: {{address: "127.0.0.1:0"}}', f'{where}: {{address: "127.0.0.1:{port}"}}')
            assert str(port) in text
            hub.config.write_text(text)
            hub.start(False)
            fails(hub)


def test_an_edge_whose_sockets_cannot_be(box):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        for n, key in enumerate((".ingest", ".sock")):
            edge = box.edge(nobody.getsockname()[1], name=f"edge{n}", start=False, host="enabled: true")
            text = edge.config.read_text()
            edge.config.write_text(text.replace(f"{edge.name}{key}", f"nowhere/{edge.name}{key}"))
            edge.start(False)
            fails(edge)


def test_an_edge_stops_while_it_is_asked(box):
    hub = box.hub(name="hub")
    edge = box.edge(hub.port("mqtt"))
    s = LineSocket(box.dir / "edge.ingest")
    s.send({"stream": "count", "value": {"n": 1}})
    s.answer()
    asked, end = [0], threading.Event()

    def ask():
        while not end.is_set():
            try:
                with socket.socket(socket.AF_UNIX) as c:
                    c.settimeout(10 * SLOW)
                    c.connect(str(box.dir / "edge.sock"))
                    c.sendall(b'{"cmd":"status"}\n')
                    while c.recv(65536):
                        asked[0] += 1
                        c.sendall(b'{"cmd":"status"}\n')
            except OSError:
                if edge.process.poll() is not None:
                    return

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(3)]
    for t in threads:
        t.start()
    until(lambda: asked[0] > 20, "the status to be answered")
    status = edge.stop()
    end.set()
    for t in threads:
        t.join(15 * SLOW)
    assert status == 0, f"status {status}:\n{edge.tail()}"


main(globals())
