"""A configuration with mistakes is answered with every mistake at its line and column, a caret under it
and what to write instead; nothing starts with it. What `config show` prints loads again."""
import json
import pathlib
import re
import subprocess

from certs import authority, certificate
from harness import BIN, ROOT, SLOW, main, until

GOLDEN = ROOT / "tests/golden/conf"


def wayside(*args, cwd=GOLDEN, text=None):
    return subprocess.run([BIN, *args], capture_output=True, text=True, cwd=cwd, input=text, timeout=60 * SLOW)


def test_every_mistake_is_named_as_the_golden_text_says(box):
    files = sorted(GOLDEN.glob("hub-*.yaml"))
    assert len(files) >= 7, files
    for f in files:
        r = wayside("config", "check", f.name)
        assert r.returncode == 3, (f.name, r)
        assert r.stdout == "", r.stdout
        want = f.with_suffix(".txt").read_text()
        assert r.stderr == want, f"{f.name} is answered with\n{r.stderr}\ninstead of\n{want}"


def test_ten_kinds_of_mistakes_get_ten_errors_at_their_marked_lines(box):
    f = GOLDEN / "hub-many-kinds.yaml"
    lines = f.read_text().splitlines()
    marked = {i + 1 for i, line in enumerate(lines) if "# !" in line and i > 0}
    assert len(marked) >= 10
    answer = json.loads(wayside("config", "check", "--json", f.name).stdout)
    assert {p["line"] for p in answer["problems"]} == marked, answer
    assert answer["errors"] == len(answer["problems"]) == len(marked), answer
    for p in answer["problems"]:
        assert p["file"] == f.name and p["text"] and p["warning"] is False, p
        rest = lines[p["line"] - 1][p["column"] - 1:]
        assert rest and not rest.startswith((" ", "#")), (p, "the column points at nothing")
    guess = [p for p in answer["problems"] if p["text"] == "unknown key 'levl'"]
    assert guess and guess[0]["mend"] == "did you mean 'level'?", answer


def test_the_caret_stands_under_the_column(box):
    out = wayside("config", "check", "hub-many-kinds.yaml").stderr.splitlines()
    carets = 0
    for i, line in enumerate(out):
        m = re.match(r"hub-many-kinds\.yaml:(\d+):(\d+): ", line)
        if m and out[i + 1].startswith("    "):  # a line that may hold a secret is not shown
            assert out[i + 2].index("^") == 4 + int(m.group(2)) - 1, out[i:i + 3]
            carets += 1
    assert carets >= 10


def test_no_secret_is_shown(box):
    out = wayside("config", "check", "hub-many-kinds.yaml").stderr
    assert "hub-many-kinds.yaml:14:29: " in out and "hub-many-kinds.yaml:17:7: " in out, out
    assert "password: short" not in out and "longenough" not in out, out
    # What a reload finds goes to the log.
    hub = box.hub()
    good = hub.config.read_text()
    assert "mqtt:\n" in good
    for n, password in enumerate(("31415926", "*31415926", "s31415")):
        hub.config.write_text(good.replace("mqtt:\n", f"mqtt:\n  users: [{{name: ann, password: {password}}}]\n", 1))
        r = hub.cli("reload", "--control", str(box.dir / "hub.sock"), check=False)
        assert r.returncode == 1 and "not reloaded" in r.stderr and "31415" not in r.stderr, r
        until(lambda: len(hub.logged(msg="not reloaded; the running configuration stays")) > n, "the mistake in the log")
    assert "31415" not in hub.log.read_text()


def test_a_hub_does_not_start_with_a_bad_file_and_prints_why(box):
    hub = box.hub(extra="store: {readers: 17}\njournal: {quota: 1KiB}", start=False)
    hub.start(ready=False)
    assert hub.process.wait(20 * SLOW) == 3
    text = hub.log.read_text()
    assert "'readers' is out of range" in text and "'quota' is out of range" in text, text
    assert not (hub.dir / "data").exists(), "nothing was made"


def test_a_file_that_is_not_there_is_named(box):
    r = wayside("hub", "-c", "no-such-file.yaml")
    assert r.returncode == 3 and "no-such-file.yaml" in r.stderr, r
    r = wayside("config", "check", "no-such-file.yaml")
    assert r.returncode == 3 and "no-such-file.yaml" in r.stderr, r
    r = wayside("config", "check")
    assert r.returncode == 2 and "Usage" in r.stderr, r


def test_a_check_reads_what_a_start_would_read(box):
    for name in ("ca", "other"):
        authority(box, name)
    certificate(box, "one")
    (box.dir / "file").write_text("ann:hunter22\n")
    good = f"cert: {box.dir}/one.crt, key: {box.dir}/one.key"
    hub = box.hub(start=False, mqtt=f'    - {{address: "127.0.0.1:0", {good}, client_ca: {box.dir}/ca.crt}}\n')
    text = hub.config.read_text()
    assert "no mistakes" in hub.cli("config", "check", str(hub.config)).stdout
    assert not (hub.dir / "data").exists(), "a check makes nothing"
    bridge = f"bridges: [{{name: b, address: 'mqtts://h', ca: {box.dir}/gone, topics: [{{filter: a, direction: out}}]}}]"
    for old, new, why in (
            ("one.key", "other.key", f"{box.dir}/other.key: the key does not belong to the certificate {box.dir}/one.crt"),
            ("one.crt", "gone.crt", f"{box.dir}/gone.crt: cannot be read: No such file"),
            ("ca.crt", "ca.key", f"{box.dir}/ca.key: is no PEM file of CA certificates"),
            ('api: {', f'api: {{cert: {box.dir}/file, key: {box.dir}/file, ', f"{box.dir}/file: is no PEM certificate"),
            ("mqtt:\n", f"mqtt:\n  {bridge}\n", f"{box.dir}/gone: cannot be read"),
            ("mqtt:\n", f"mqtt:\n  acl_file: {box.dir}/file\n", f"{box.dir}/file:1:1: this is no rule"),
            (f"data: {hub.dir}/data", f"data: {box.dir}/file/data", f"the data folder {box.dir}/file/data cannot be written"),
    ):
        assert old in text, old
        hub.config.write_text(text.replace(old, new, 1))
        r = hub.cli("config", "check", str(hub.config), check=False)
        assert r.returncode == 3 and why in r.stderr and r.stderr.count("\n") == 1, (why, r)
        assert "hunter22" not in r.stderr, r.stderr
        assert json.loads(hub.cli("config", "check", "--json", str(hub.config), check=False).stdout)["errors"] == 1
        start = subprocess.run([BIN, "hub", "-c", str(hub.config)], capture_output=True, text=True, timeout=60 * SLOW)
        assert start.returncode == 1 and why in start.stderr, (why, start)  # the same words


def test_what_show_prints_loads_again_to_the_same(box):
    text = """node: {id: n-1, workers: 3, data: /tmp/x}
log: {level: warn, format: json}
mqtt:
  listeners:
    - {address: "[::1]:1884", anonymous: deny}
    - {address: "127.0.0.1:9002", protocol: websocket}
  users: [{name: "o'neill: \\"x\\" # y", password: "pass word: 1"}]
ingest:
  - {topic: "plant/{line}/{what}", device: "{line}", stream: "{what}", time: arrival,
     fields: [{name: speed, required: true, min: -1.5, max: 1e6}]}
edge: {host: {interval: 500ms}, uplink: {hub: "hub.example.org", tls: true}}
limits: {http_body_max: 3MiB, mqtt_connect_timeout: 1500ms}
"""
    a = wayside("config", "show", "-", text=text)
    assert a.returncode == 0, a
    assert "pass word" not in a.stdout, "a password is shown"
    again = a.stdout.replace('"***"', '"pass word: 1"').replace("'***'", '"pass word: 1"')
    b = wayside("config", "show", "--preset", "run", "-", text=again)
    assert b.returncode == 0, (b.stderr, again)

    def bare(out):
        return [line.split(" # set")[0] for line in out.splitlines()]
    assert bare(a.stdout) == bare(b.stdout)
    for preset in ("hub", "edge", "run"):
        shown = wayside("config", "show", "--preset", preset, "--help-texts")
        assert shown.returncode == 0, shown
        assert wayside("config", "check", "--preset", "run", "-", text=shown.stdout).returncode == 0, shown.stdout


def check_schema(s, where=""):
    assert isinstance(s, (dict, bool)), where
    if isinstance(s, bool):
        return 0
    known = {"$schema", "$id", "$defs", "$ref", "title", "description", "type", "properties", "additionalProperties",
             "items", "required", "enum", "const", "default", "minimum", "maximum", "minLength", "maxLength", "pattern",
             "minItems", "maxItems", "anyOf", "oneOf", "allOf", "format", "examples", "writeOnly", "not",
             "dependentRequired", "patternProperties", "propertyNames", "deprecated", "exclusiveMinimum"}
    assert set(s) <= known, (where, set(s) - known)
    types = s.get("type", [])
    for t in [types] if isinstance(types, str) else types:
        assert t in ("object", "array", "string", "number", "integer", "boolean", "null"), (where, t)
    count = 1
    if "pattern" in s:
        re.compile(s["pattern"])
    if "required" in s:
        assert set(s["required"]) <= set(s.get("properties", {})), (where, s["required"])
    for name, sub in s.get("properties", {}).items():
        count += check_schema(sub, f"{where}.{name}")
    for key in ("anyOf", "oneOf", "allOf"):
        for sub in s.get(key, []):
            count += check_schema(sub, f"{where}.{key}")
    for key in ("items", "additionalProperties", "not"):
        if key in s:
            count += check_schema(s[key], f"{where}.{key}")
    return count


def test_the_schema_is_a_json_schema_of_every_key(box):
    r = wayside("config", "schema")
    assert r.returncode == 0
    schema = json.loads(r.stdout)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert check_schema(schema) > 80
    shown = wayside("config", "show", "--preset", "hub").stdout
    tops = {line.split(":")[0] for line in shown.splitlines() if re.match(r"[a-z]+:", line)}
    assert tops <= set(schema["properties"]), tops - set(schema["properties"])
    assert {"node", "log", "mqtt", "api", "health", "edge", "limits", "ingest"} <= set(schema["properties"])
    assert schema["additionalProperties"] is False


def test_hostile_files_are_refused_quickly(box):
    bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"a{i}: &a{i} [{','.join([f'*a{i-1}'] * 9)}]\n" for i in range(1, 10))
    for name, text in (("bomb", bomb), ("deep", "[" * 100000), ("deep maps", "{a: " * 20000), ("large", "a" * (2 << 20)),
                       ("keys", "".join(f"k{i}: 1\n" for i in range(60000))), ("random", "\x00\x01\x02" * 1000),
                       ("tag", "log: !!python/object:os.system {level: info}"), ("merge", "log: {<<: {level: info}}")):
        path = pathlib.Path(box.dir / "hostile.yaml")
        path.write_text(text)
        r = subprocess.run([BIN, "config", "check", str(path)], capture_output=True, timeout=15 * SLOW)
        assert r.returncode == 3, (name, r.returncode, r.stderr[:500])
        assert len(r.stderr) < 100000, (name, len(r.stderr))


main(globals())
