"""Looking into a journal, taking its records out, and salvaging a damaged one."""
import csv
import io
import json
import random
import shutil

from harness import LineSocket, main, until


def filled(box, count=500):
    edge = box.edge(1, extra="journal: {segment: 64KiB, quota: 4MiB, free_floor: 0}")
    s = LineSocket(box.dir / "edge.ingest")
    for n in range(count):
        s.send({"stream": "a" if n % 2 else "b", "value": {"n": n, "t": 'a "b", c' * 50}, "id": n})
    assert [s.answer()["ack"] for _ in range(count)] == list(range(count))
    s.close()
    return edge, edge.dir / "data" / "journal"


def numbers(lines):
    return [json.loads(l)["payload"]["n"] for l in lines.splitlines()]


def test_cat_takes_what_is_asked_for(box):
    edge, journal = filled(box)
    assert numbers(edge.cli("journal", "cat", str(journal)).stdout) == list(range(500))
    assert numbers(edge.cli("journal", "cat", str(journal), "--stream", "a").stdout) == list(range(1, 500, 2))
    assert numbers(edge.cli("journal", "cat", str(journal), "--from", "10", "--to", "12").stdout) == [9, 10, 11]
    assert edge.cli("journal", "cat", str(journal), "--device", "nobody").stdout == ""
    assert edge.cli("journal", "cat", str(journal), "--from", "x", check=False).returncode == 2


def test_export_writes_whole_files(box):
    edge, journal = filled(box)
    out = box.dir / "records.jsonl"
    text = edge.cli("journal", "export", str(journal), "--out", str(out)).stdout
    assert "500 records (1 to 500), 0 gaps" in text, text
    assert numbers(out.read_text()) == list(range(500))
    assert edge.cli("journal", "export", str(journal), "--out", str(out), check=False).returncode == 1
    edge.cli("journal", "export", str(journal), "--out", str(out), "--format", "csv", "--force")
    rows = list(csv.DictReader(io.StringIO(out.read_text(), newline="")))
    assert [json.loads(r["payload"])["n"] for r in rows] == list(range(500))
    assert {r["device"] for r in rows} == {"edge"} and rows[0]["origin_seq"] == "1" and int(rows[0]["origin_epoch"]) > 0
    assert edge.cli("journal", "export", str(journal), "--out", "/nowhere/x", check=False).returncode == 1
    assert not list(box.dir.glob("*.tmp"))


def test_repair_salvages_every_whole_record(box):
    edge, journal = filled(box)
    assert edge.cli("journal", "repair", str(journal), "--into", str(box.dir / "new"), check=False).returncode == 1, "a node runs on it"
    edge.kill()
    rng = random.Random(7)
    segments = sorted(journal.glob("*.seg"))
    for s in segments[:3]:
        data = bytearray(s.read_bytes())
        data[rng.randrange(2000, 60000)] ^= 4
        s.write_bytes(data)
    (journal / "journal.id").unlink()
    before = {p.name: p.read_bytes() for p in journal.iterdir() if p.is_file() and p.name != "lock"}
    text = edge.cli("journal", "repair", str(journal), "--into", str(box.dir / "new")).stdout
    assert "3 records lost" in text, text
    assert {p.name: p.read_bytes() for p in journal.iterdir() if p.is_file() and p.name != "lock"} == before, "the old one was changed"
    assert edge.cli("journal", "verify", str(box.dir / "new")).returncode == 0
    got = numbers("\n".join(l for l in edge.cli("journal", "cat", str(box.dir / "new")).stdout.splitlines() if '"kind":"gap"' not in l))
    assert len(got) == 497 and got == sorted(got)
    # Put in place, everything that is whole reaches a hub, what it has already not twice.
    shutil.move(journal, box.dir / "damaged")
    shutil.move(box.dir / "new", journal)
    hub = box.hub(name="hub")
    edge.config.write_text(edge.config.read_text().replace('hub: "127.0.0.1:1"', f'hub: "127.0.0.1:{hub.port("mqtt")}"'))
    edge.start()
    until(lambda: edge.get_status()["uplink"]["backlog"] == 0 and edge.get_status()["uplink"]["acked"] > 0, "everything to arrive", 30)
    read = lambda: sorted(i["value"]["n"] for s in "ab" for i in hub.get(f"/api/v1/readings?device=edge&stream={s}&limit=1000")["items"])
    until(lambda: len(read()) == 497, "the rows")
    assert read() == got


main(globals())
