"""Looking into a journal, taking its records out, and salvaging a damaged one."""
import csv
import io
import json
import random
import shutil
import subprocess
import threading

from harness import BIN, LineSocket, SLOW, main, until

SMALL = "journal: {segment: 64KiB, quota: 4MiB, free_floor: 0}"


def send(box, numbers, name="edge"):
    s = LineSocket(box.dir / f"{name}.ingest")
    for n in numbers:
        s.send({"stream": "a" if n % 2 else "b", "value": {"n": n, "t": 'a "b", c' * 50}, "id": n})
    assert [s.answer()["ack"] for _ in numbers] == list(numbers)
    s.close()


def filled(box, count=500):
    edge = box.edge(1, extra=SMALL)
    send(box, range(count))
    return edge, edge.dir / "data" / "journal"


def numbers(lines):
    return [json.loads(l)["payload"]["n"] for l in lines.splitlines() if '"kind":"gap"' not in l]


def gaps(lines):
    """The numbers that are said to be lost."""
    found = [json.loads(l) for l in lines.splitlines() if '"kind":"gap"' in l]
    return [n for g in found for n in range(g["first"], g["origin_seq"] + 1)]


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 4
    path.write_bytes(data)


def segments(journal):
    return sorted(journal.glob("*.seg"))


def content(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_cat_takes_what_is_asked_for(box):
    edge, journal = filled(box)
    cat = lambda *args: edge.cli("journal", "cat", str(journal), *args).stdout
    assert numbers(cat()) == list(range(500))
    assert numbers(cat("--stream", "a")) == list(range(1, 500, 2))
    assert numbers(cat("--from", "10", "--to", "12")) == [9, 10, 11]
    assert numbers(cat("--after", "uplink")) == list(range(500))
    assert cat("--device", "nobody") == ""
    whole = [json.loads(l) for l in cat().splitlines()]
    later = whole[250]["time"]
    assert numbers(cat("--from", later)) == [r["payload"]["n"] for r in whole if r["time"] >= later]
    assert numbers(cat("--to", later)) == [r["payload"]["n"] for r in whole if r["time"] < later]
    assert cat("--to", "2020-01-01") == ""
    for wrong in (["--from", "x"], ["--to", "0"], ["--device", "a b"], ["--stream", ""], ["--after", "../x"], ["--nothing"]):
        assert edge.cli("journal", "cat", str(journal), *wrong, check=False).returncode == 2, wrong
    r = edge.cli("journal", "cat", str(journal), "--after", "hub", check=False)
    assert r.returncode == 1 and "no cursor 'hub'" in r.stderr, r.stderr


def test_what_a_sink_has_not_yet(box):
    hub = box.hub()
    port = hub.keep_port()
    edge = box.edge(port, extra=SMALL)
    journal = str(edge.dir / "data" / "journal")
    send(box, range(100))
    until(lambda: edge.get_status()["uplink"]["backlog"] == 0, "the hub to have them")
    hub.kill()
    send(box, range(100, 120))
    behind = lambda: edge.cli("journal", "cat", journal, "--after", "uplink").stdout
    until(lambda: numbers(behind()) == list(range(100, 120)), "the cursor to be written")
    cursor = json.loads(edge.cli("journal", "ls", journal, "--json").stdout)["cursors"]
    assert cursor == [{"name": "uplink", "ok": True, "seq": 100, "waiting": 20}], cursor


def test_a_reader_that_goes_away_is_no_failure(box):
    edge, journal = filled(box)
    for trap in ("", "trap '' PIPE; "):
        r = subprocess.run(["sh", "-c", f"{trap}{BIN} journal cat {journal} | head -n 2"],
                           capture_output=True, text=True, timeout=60 * SLOW)
        assert len(r.stdout.splitlines()) == 2 and r.stderr == "", r.stderr
    out = open("/dev/full", "w")
    r = subprocess.run([BIN, "journal", "cat", str(journal)], stdout=out, stderr=subprocess.PIPE, text=True, timeout=60 * SLOW)
    assert r.returncode == 1 and "No space left" in r.stderr, r


def test_cat_follows(box):
    edge, journal = filled(box, 10)
    p = box.run(BIN, "journal", "cat", str(journal), "--follow", "--from", "6", stdout=subprocess.PIPE, text=True)
    assert [json.loads(p.stdout.readline())["payload"]["n"] for _ in range(5)] == [5, 6, 7, 8, 9]
    send(box, range(10, 300))
    assert [json.loads(p.stdout.readline())["payload"]["n"] for _ in range(290)] == list(range(10, 300))
    p.stdout.close()
    p.wait(10 * SLOW)


def test_ls_and_verify_say_the_same_and_find_damage(box):
    edge, journal = filled(box)
    ls, verify = (json.loads(edge.cli("journal", what, str(journal), "--json").stdout) for what in ("ls", "verify"))
    assert ls["records"] == verify["records"] == 500 and not verify["damaged"] and ls["id_ok"]
    assert [(s["file"], s["first_seq"], s["last_seq"]) for s in ls["segments"]] == \
        [(s["file"], s["first_seq"], s["last_seq"]) for s in verify["segments"]]
    assert [s["file"] for s in ls["segments"]] == [p.name for p in segments(journal)]
    assert ls["segments"][-1]["state"] == "newest" and ls["cursors"][0]["waiting"] == 500
    text = edge.cli("journal", "ls", str(journal)).stdout
    assert "cursor uplink: has all up to 0; 500 wait" in text and "good, the newest" in text, text
    edge.kill()
    flip(segments(journal)[1], 30000)
    r = edge.cli("journal", "verify", str(journal), check=False)
    assert r.returncode == 3 and "DAMAGED: 1 place" in r.stdout and "1 record missing" in r.stdout, r.stdout
    assert edge.cli("journal", "ls", str(journal)).returncode == 0, "only headers are looked at"
    flip(segments(journal)[2], 20)
    r = edge.cli("journal", "ls", str(journal), check=False)
    assert r.returncode == 3 and "DAMAGED: its header" in r.stdout, r.stdout
    (lost,) = gaps(edge.cli("journal", "cat", str(journal)).stdout)
    assert len(numbers(edge.cli("journal", "cat", str(journal)).stdout)) == 499
    out = box.dir / "e.csv"
    r = edge.cli("journal", "export", str(journal), "--out", str(out), "--format", "csv", "--json", check=False)
    said = json.loads(r.stdout)
    assert r.returncode == 3 and said["records"] == 499 and said["gaps"] == said["missing"] == 1, r.stdout
    (row,) = [r for r in csv.DictReader(io.StringIO(out.read_text(), newline="")) if r["kind"] == "gap"]
    assert row["seq"] == str(lost) and row["time"] == "" and row["payload"] == f"{lost} to {lost} missing: damaged", row


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
    assert edge.cli("journal", "export", str(journal), check=False).returncode == 2
    assert edge.cli("journal", "export", str(journal), "--out", "x", "--format", "xml", check=False).returncode == 2
    piped = edge.cli("journal", "export", str(journal), "--out", "-", "--to", "3")
    assert numbers(piped.stdout) == [0, 1, 2] and "3 records" in piped.stderr
    assert not list(box.dir.glob("*.tmp"))
    # A file that cannot be written whole does not get its name, and leaves nothing behind.
    limited = subprocess.run(["sh", "-c", f"trap '' XFSZ; ulimit -f 50; {BIN} journal export {journal} --out {box.dir}/big"],
                             capture_output=True, text=True, timeout=60 * SLOW)
    assert limited.returncode == 1 and "File too large" in limited.stderr, limited
    assert not (box.dir / "big").exists() and not (box.dir / "big.tmp").exists()


def test_looking_does_not_mind_a_node_that_writes_and_trims(box):
    hub = box.hub()
    edge = box.edge(hub.port("mqtt"), extra=SMALL)
    journal = str(edge.dir / "data" / "journal")
    stop, sent = threading.Event(), []

    def feed():
        s = LineSocket(box.dir / "edge.ingest")
        n = 0
        while not stop.is_set():
            for _ in range(100):
                s.send({"stream": "a", "value": {"n": n, "f": "x" * 300}})
                n += 1
            for _ in range(100):
                assert "ack" in s.answer()
            sent.append(n)
        s.close()

    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        until(lambda: sent, "the first records")
        before = json.loads(edge.cli("journal", "ls", journal, "--json").stdout)["last_seq"]
        for i in range(40):
            r = edge.cli("journal", "verify" if i % 2 else "ls", journal, check=False)
            assert r.returncode == 0, r.stdout + r.stderr
            r = edge.cli("journal", "export", journal, "--out", str(box.dir / "e"), "--force", check=False)
            assert r.returncode == 0, r.stdout + r.stderr
            # Every number is a record, or in a gap since the node removed it meanwhile.
            got = [json.loads(l) for l in (box.dir / "e").read_text().splitlines()]
            here = [n for g in got for n in range(g.get("first", g["seq"]), g["seq"] + 1)]
            assert here == list(range(here[0], here[0] + len(here))) if here else True, r.stdout
            assert {g["payload"] for g in got if g["kind"] == "gap"} <= {"dropped"}
        until(lambda: json.loads(edge.cli("journal", "ls", journal, "--json").stdout)["first_seq"] > before, "segments to be trimmed")
    finally:
        stop.set()
        feeder.join()


def repair(edge, journal, new, status=0):
    """What repair says; the old folder is as it was."""
    stopped = edge.process.poll() is not None
    before = content(journal)
    r = edge.cli("journal", "repair", str(journal), "--into", str(new), "--json", check=False)
    assert r.returncode == status, (r.returncode, r.stdout, r.stderr)
    assert content(journal) == before or not stopped, "the old one was changed"
    assert not new.with_name(new.name + ".part").exists()
    return json.loads(r.stdout) if r.stdout else r.stderr


def lost_numbers(said):
    return [n for l in said["lost_ranges"] for n in range(l["first"], l["last"] + 1)]


def test_repair_refuses_what_would_do_harm(box):
    edge, journal = filled(box, 20)
    new = box.dir / "new"
    assert "stop it first" in repair(edge, journal, new, 1)
    edge.kill()
    assert edge.cli("journal", "repair", str(journal), check=False).returncode == 2
    assert edge.cli("journal", "repair", check=False).returncode == 2
    new.mkdir()
    (new / "mine").write_text("x")
    assert "not empty" in repair(edge, journal, new, 1)
    (new / "mine").unlink()
    assert "not empty" in repair(edge, journal, journal, 1)
    (box.dir / "new.part").mkdir()
    r = edge.cli("journal", "repair", str(journal), "--into", str(new), check=False)
    assert r.returncode == 1 and "interrupted" in r.stderr, r.stderr
    (box.dir / "new.part").rmdir()
    (box.dir / "nothing").mkdir()
    assert "no record" in repair(edge, box.dir / "nothing", new, 1)
    assert repair(edge, journal, new)["salvaged"] == 20
    # The parts of a journal on a card that is only readable, too.
    assert edge.cli("journal", "verify", str(new)).returncode == 0


def spoil(journal, how, rng):
    """Damages a journal; at most three records are lost by it."""
    files = segments(journal)
    if how in ("flips", "all"):
        for s in files[:3]:
            flip(s, rng.randrange(2000, 60000))
    if how in ("id", "all"):
        (journal / "journal.id").unlink()
    if how in ("headers", "all"):
        for s in files:
            s.write_bytes(bytes(512) + s.read_bytes()[512:])
    if how in ("names", "all"):
        (journal / "damaged").mkdir(exist_ok=True)
        files[1].rename(journal / "damaged" / "0.seg")
        files[3].rename(journal / "#4711")


def test_repair_salvages_every_whole_record(box):
    edge, journal = filled(box)
    edge.kill()
    shutil.copytree(journal, box.dir / "whole")
    for i, how in enumerate(("nothing", "flips", "id", "headers", "names", "all")):
        shutil.rmtree(journal)
        shutil.copytree(box.dir / "whole", journal)
        spoil(journal, how, random.Random(i))
        new = box.dir / f"new-{how}"
        hit = 3 if how in ("flips", "all") else 0
        said = repair(edge, journal, new, 3 if hit else 0)
        assert said["salvaged"] == 500 - hit and said["lost"] == hit and said["repeated"] == 0, (how, said)
        assert edge.cli("journal", "verify", str(new)).returncode == 0
        records = [json.loads(l) for l in edge.cli("journal", "cat", str(new)).stdout.splitlines()]
        kept = [r for r in records if r["kind"] != "gap"]
        # Each with the number and the journal that it was born with, in order, once.
        assert [r["origin_seq"] for r in kept] == [n + 1 for n in range(500) if n + 1 not in lost_numbers(said)], how
        assert all(r["payload"]["n"] == r["origin_seq"] - 1 and r["origin"] == said["journal"] and r["origin_epoch"] > 0 for r in kept)
        assert sorted(lost_numbers(said)) == [r["origin_seq"] for r in records if r["kind"] == "gap"]
    text = edge.cli("journal", "repair", str(journal), "--into", str(box.dir / "text"), check=False).stdout
    assert "salvaged 497 records" in text and "Lost: 3 records" in text and f"mv {box.dir}/text {journal}" in text, text


def test_a_repaired_edge_delivers_exactly_what_is_missing(box):
    hub = box.hub()
    port = hub.keep_port()
    edge = box.edge(port, extra=SMALL)
    journal = edge.dir / "data" / "journal"
    send(box, range(400))
    until(lambda: edge.get_status()["uplink"]["backlog"] == 0, "the hub to have the first")
    hub.kill()
    send(box, range(400, 900))
    until(lambda: edge.get_status()["uplink"]["acked"] == 400, "the cursor")
    edge.stop()
    files = segments(journal)
    # One record that the hub has, two that it has not; and nothing says any more whose journal it is.
    hit = []
    for p in (files[0], files[-3], files[-2]):
        flip(p, 31000)
    (journal / "journal.id").unlink()
    for p in files:
        p.write_bytes(bytes(512) + p.read_bytes()[512:])
    said = repair(edge, journal, box.dir / "new", 3)
    hit = lost_numbers(said)
    assert len(hit) == 2 and min(hit) > 400, said
    shutil.move(journal, box.dir / "damaged")
    shutil.move(box.dir / "new", journal)
    hub.start()
    edge.start()
    send(box, range(900, 950))
    rows = lambda: sorted(i["value"]["n"] for s in "ab" for i in hub.get(f"/api/v1/readings?device=edge&stream={s}&limit=10000")["items"])
    want = [n for n in range(950) if n + 1 not in hit]
    until(lambda: len(rows()) >= len(want), "the rows", 30)
    until(lambda: edge.get_status()["uplink"]["backlog"] == 0, "everything to be acknowledged")
    assert rows() == want
    told = hub.get("/api/v1/gaps")["items"]
    assert sorted((g["first"], g["last"]) for g in told) == [(n, n) for n in sorted(hit)], told
    assert {g["journal"] for g in told} == {said["journal"]}, told
    # What the edge takes from now on is trimmed as ever.
    until(lambda: edge.cli("journal", "verify", str(journal)).returncode == 0, "a good journal")


def test_a_repaired_hub_stores_what_it_had_acknowledged(box):
    hub = box.hub(extra=SMALL)
    port = hub.keep_port()
    edge = box.edge(port, extra=SMALL)
    send(box, range(300))
    until(lambda: edge.get_status()["uplink"]["backlog"] == 0, "the hub to have them")
    rows = lambda: sorted(i["value"]["n"] for s in "ab" for i in hub.get(f"/api/v1/readings?device=edge&stream={s}&limit=10000")["items"])
    until(lambda: len(rows()) == 300, "the rows")
    hub.stop()
    journal = hub.dir / "data" / "journal"
    (journal / "journal.id").unlink()
    for p in segments(journal):
        p.write_bytes(bytes(512) + p.read_bytes()[512:])
    said = repair(hub, journal, box.dir / "new")
    # What was in its journal came from the edge, and stays the edge's.
    kept = [json.loads(l) for l in hub.cli("journal", "cat", str(box.dir / "new")).stdout.splitlines()]
    assert {r["device"] for r in kept} == {"edge"} and len({r["origin"] for r in kept}) == 1
    assert kept[0]["origin"] != said["journal"] and said["lost"] == 0, said
    shutil.move(journal, box.dir / "damaged")
    shutil.move(box.dir / "new", journal)
    hub.start()
    send(box, range(300, 400))
    until(lambda: len(rows()) >= 400, "the rows", 30)
    assert rows() == list(range(400)) and hub.get("/api/v1/gaps")["items"] == []


main(globals())
