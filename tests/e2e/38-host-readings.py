"""An edge reads the machine that it runs on: every interval one record of stream `host` with the
numbers of /proc, and node_exporter's names at /metrics."""
import os
import time

from harness import main, until


def meminfo():
    return {l.split(":")[0]: int(l.split()[1]) * 1024 for l in open("/proc/meminfo")}


def leaves(value, path=""):
    if isinstance(value, dict):
        for k, v in value.items():
            yield from leaves(v, f"{path}.{k}" if path else k)
    elif isinstance(value, list):
        for i, v in enumerate(value):
            yield from leaves(v, f"{path}[{i}]")
    else:
        yield path, value


def test_a_record_every_interval_with_the_numbers_of_proc(box):
    hub = box.hub()
    box.edge(hub.port("mqtt"), host="interval: 500ms")
    items = until(lambda: len(i := hub.get("/api/v1/readings?device=edge&stream=host&limit=100")["items"]) >= 5 and i,
                  "five readings of the host")
    times = [time.mktime(time.strptime(i["time"][:19], "%Y-%m-%dT%H:%M:%S")) + float("0" + i["time"][19:23]) for i in items]
    gaps = [a - b for a, b in zip(times, times[1:])]
    assert all(0.2 < g < 2.5 for g in gaps) and 0.4 < sum(gaps) / len(gaps) < 1.5, gaps
    value = items[0]["value"]
    flat = dict(leaves(value))
    assert all(isinstance(v, (int, float, str)) for v in flat.values()), flat
    total = meminfo()["MemTotal"]
    assert total in flat.values(), (total, flat)
    available = meminfo()["MemAvailable"]
    assert any("avail" in k and abs(v - available) < 0.2 * total for k, v in flat.items() if isinstance(v, (int, float))), flat
    load = os.getloadavg()
    assert any("load" in k and abs(v - load[0]) < 3 for k, v in flat.items() if isinstance(v, (int, float))), flat
    cpu = {k: v for k, v in flat.items() if "cpu" in k and isinstance(v, (int, float))}
    assert cpu and all(v >= 0 for v in cpu.values()), flat
    uptime = float(open("/proc/uptime").read().split()[0])
    assert any("uptime" in k and abs(v - uptime) < 60 for k, v in flat.items() if isinstance(v, (int, float))), flat
    # The numeric leaves are the fields of charts.
    streams = hub.get("/api/v1/devices?device=edge")["items"][0]["streams"]
    assert [s for s in streams if s["stream"] == "host"], streams


def test_node_exporters_names_at_metrics(box):
    edge = box.edge(1, host="interval: 500ms")
    status, headers, body = edge.request("GET", "/metrics", service="health")
    assert status == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4")
    text = body.decode()
    samples, types = {}, {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            name, kind = line.split()[2:4]
            assert name not in types, f"{name} is declared twice"
            types[name] = kind
        elif line and not line.startswith("#"):
            key, value = line.rsplit(" ", 1)
            assert key not in samples, f"{key} stands twice"
            samples[key] = float(value)
            base = key.split("{")[0]
            family = next((base[:-len(s)] for s in ("_bucket", "_sum", "_count") if base.endswith(s) and base[:-len(s)] in types),
                          base)
            assert family in types, f"{base} has no TYPE"
    assert samples["node_memory_MemTotal_bytes"] == meminfo()["MemTotal"], samples
    assert abs(samples["node_memory_MemAvailable_bytes"] - meminfo()["MemAvailable"]) < 0.2 * meminfo()["MemTotal"]
    assert abs(samples["node_load1"] - os.getloadavg()[0]) < 3
    idle = [v for k, v in samples.items() if k.startswith("node_cpu_seconds_total{") and 'mode="idle"' in k]
    assert len(idle) == os.cpu_count() and all(v > 0 for v in idle), idle
    real = {"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "vfat", "overlay"}  # a chroot may see none of them
    if any(l.split()[1:3] and l.split()[1] == "/" and l.split()[2] in real for l in open("/proc/mounts")):
        assert any(k.startswith("node_filesystem_size_bytes{") for k in samples)


def test_readings_can_be_switched_off(box):
    hub = box.hub()
    edge = box.edge(hub.port("mqtt"), host="enabled: false")
    from harness import LineSocket
    s = LineSocket(box.dir / "edge.ingest")
    s.send({"stream": "door", "value": 1, "id": "a"})
    assert s.answer() == {"ack": "a"}
    until(lambda: hub.get("/api/v1/readings?device=edge&stream=door")["items"], "the line")
    assert hub.get("/api/v1/readings?device=edge&stream=host")["items"] == []
    assert b"node_load1" not in edge.request("GET", "/metrics", service="health")[2]


def test_a_foreign_root_is_read_instead(box):
    root = box.dir / "root"
    (root / "proc").mkdir(parents=True)
    (root / "sys").mkdir()
    (root / "proc/loadavg").write_text("7.25 6.50 5.75 1/100 1234\n")
    (root / "proc/meminfo").write_text("MemTotal:       1000 kB\nMemFree: 500 kB\nMemAvailable:   600 kB\n")
    (root / "proc/stat").write_text("nonsense\n" * 1000)
    (root / "proc/uptime").write_text("x" * 100000)
    hub = box.hub()
    box.edge(hub.port("mqtt"), host=f"interval: 200ms, root: {root}")
    items = until(lambda: hub.get("/api/v1/readings?device=edge&stream=host")["items"], "a reading")
    flat = dict(leaves(items[0]["value"]))
    assert 7.25 in flat.values() and 1024000 in flat.values(), flat
    assert not [k for k in flat if "uptime" in k], "what is not there is absent"


main(globals())
