"""Users and rules change by command while the node runs: for logins, for open connections, in the files as
people wrote them; what is refused and why; several at once; a file that is damaged stays as it is."""
import concurrent.futures
import fcntl
import json
import os
import pty
import resource
import signal
import stat
import subprocess
import termios
import time

from harness import BIN, SLOW, main, until
from mqtt_raw import Client

NOT_AUTHORIZED = 0x87
LISTENERS = """    - {address: "127.0.0.1:0"}
"""
RULES = """# who may what
topic read wayside/#

# the operator
user ann
topic plant/#
"""


def hub_with_files(box, rules=RULES, users=("ann",), mqtt="", head="# users\n", **kw):
    acl, pw = box.dir / "acl", box.dir / "pw"
    if rules is not None:
        acl.write_text(rules)
        mqtt += f"  acl_file: {acl}\n"
    pw.write_text(head)
    mqtt += f"  password_file: {pw}\n"
    hub = box.hub(mqtt=LISTENERS + mqtt, **kw)
    for name in users:
        run(hub, "user", "add", name, "--password-stdin", stdin=f"password of {name}\n")
    return hub, acl, pw


def control(hub):
    return str(hub.box.dir / f"{hub.name}.sock")


def run(hub, *args, stdin="", status=0):
    r = subprocess.run([BIN, *args, "--control", control(hub)], input=stdin, capture_output=True, text=True, timeout=60 * SLOW,
                       start_new_session=True)
    assert r.returncode == status, f"{args}: {r.returncode}\n{r.stdout}{r.stderr}"
    return r.stdout if status == 0 else r.stdout + r.stderr


def log_in(hub, user, password, version=5, client_id=None, expect=0):
    return Client(hub, version, client_id, user=user, password=password, expect=expect)


def ended_within(client, seconds, *codes):
    start = time.monotonic()
    client.ended(*codes)
    took = time.monotonic() - start
    assert took < seconds * SLOW, f"the connection ended after {took:.2f} s"


def test_a_user_comes_changes_and_goes(box):
    hub, _, pw = hub_with_files(box, rules=None, users=())
    wrong = {5: 0x86, 4: 4}
    for version in (4, 5):
        log_in(hub, "bob", "password of bob", version, expect=wrong[version])
    out = run(hub, "user", "add", "bob", "--password-stdin", stdin="password of bob\nanother line\n")
    assert "bob" in out and str(pw) in out, out
    for version in (4, 5):
        log_in(hub, "bob", "password of bob", version).close()
        log_in(hub, "bob", "password of boc", version, expect=wrong[version])
    assert pw.read_text().startswith("# users\nbob:$7$")
    # Another password: who came with the old one is out at once.
    inside = log_in(hub, "bob", "password of bob")
    run(hub, "user", "passwd", "bob", "--password-stdin", stdin="a new password")
    ended_within(inside, 1, NOT_AUTHORIZED)
    log_in(hub, "bob", "password of bob", expect=0x86)
    old, new = log_in(hub, "bob", "a new password", 4), log_in(hub, "bob", "a new password", 5)
    other = log_in(hub, None, None)
    # Gone: its connections too, nobody else's.
    out = run(hub, "user", "remove", "bob")
    ended_within(new, 1, NOT_AUTHORIZED)
    ended_within(old, 1)
    other.ping()
    log_in(hub, "bob", "a new password", expect=0x86)
    assert pw.read_text() == "# users\n"
    log = hub.log.read_text()
    assert "user added" in log and "user removed" in log and "password changed" in log
    assert "a new password" not in log and "$7$" not in log


def test_what_mosquitto_passwd_makes_of_it(box):
    # Without a comment: it takes one, and whatever is above it, out of the file.
    hub, _, pw = hub_with_files(box, rules=None, head="")
    r = subprocess.run(["mosquitto_passwd", "-b", str(pw), "carl", "password of carl"], capture_output=True, text=True)
    assert r.returncode == 0, r
    run(hub, "reload")
    until(lambda: hub.logged(msg="reloaded"), "the reload")
    log_in(hub, "carl", "password of carl").close()
    run(hub, "user", "add", "dora", "--password-stdin", stdin="password of dora")
    for name in ("ann", "carl", "dora"):
        log_in(hub, name, f"password of {name}").close()
    users = json.loads(run(hub, "user", "list", "--json"))["users"]
    assert [u["user"] for u in users] == ["ann", "carl", "dora"] and all(u["from"] == "file" for u in users), users
    assert "$7$" not in run(hub, "user", "list")


def test_rules_hold_for_open_connections(box):
    hub, acl, _ = hub_with_files(box)
    ann = log_in(hub, "ann", "password of ann")
    writer = log_in(hub, "ann", "password of ann")
    assert ann.subscribe(("plant/#", 0))
    writer.publish("plant/1", b"a")
    ann.message("plant/1", b"a")
    out = run(hub, "acl", "check", "ann", "plant/1")
    assert f"{acl}:6: topic readwrite plant/#" in out and "NO" not in out, out
    # Narrowed: the subscription ends, the connection does not.
    run(hub, "acl", "add", "ann", "write", "plant/#")
    run(hub, "acl", "remove", "ann", "readwrite", "plant/#")
    assert acl.read_text() == RULES.replace("topic plant/#", "topic write plant/#")
    until(lambda: hub.logged(msg="subscriptions ended: no longer allowed"), "the subscription to end", 1)
    writer.publish("plant/1", b"b", qos=1)
    assert ann.ping() == []
    # Nothing at all any more: a publication of the open connection is refused.
    run(hub, "acl", "remove", "ann", "write", "plant/#")
    out = run(hub, "acl", "check", "ann", "plant/1", status=3)
    assert out.count("no rule grants it") == 2, out
    # And granted again, to everybody by name.
    run(hub, "acl", "add", "%", "readwrite", "plant/%u/#")
    assert ann.subscribe(("plant/ann/#", 0))
    writer.publish("plant/ann/1", b"c")
    ann.message("plant/ann/1", b"c")
    assert "pattern readwrite plant/%u/#" in acl.read_text()
    # Those without a name, in front of the first user.
    run(hub, "acl", "add", "-", "read", "open/#")
    assert acl.read_text().startswith("# who may what\ntopic read wayside/#\ntopic read open/#\n\n# the operator\nuser ann\n")
    nobody = Client(hub, 5)
    assert nobody.subscribe(("open/#", 0))
    out = run(hub, "acl", "list")
    assert "(everybody)" in out and "(without a name)" in out, out
    out = run(hub, "acl", "check", "-", "open/x")
    assert f"{acl}:3: topic read open/#" in out, out


def test_mode_owner_and_link_stay(box):
    hub, acl, pw = hub_with_files(box)
    real = box.dir / "elsewhere"
    real.mkdir()
    for path in (acl, pw):
        os.chmod(path, 0o640)
        if os.geteuid() == 0:
            os.chown(path, 1234, 2345)
        path.rename(real / path.name)
        path.symlink_to(real / path.name)
    run(hub, "user", "add", "bob", "--password-stdin", stdin="password of bob")
    run(hub, "acl", "add", "bob", "read", "x")
    for path in (acl, pw):
        st = os.stat(path)
        assert path.is_symlink() and stat.S_IMODE(st.st_mode) == 0o640, oct(st.st_mode)
        if os.geteuid() == 0:
            assert (st.st_uid, st.st_gid) == (1234, 2345)
    assert sorted(p.name for p in real.iterdir()) == ["acl", "pw"], "a file was left behind"


def test_what_is_refused_says_why(box):
    hub, acl, pw = hub_with_files(box, mqtt='  users: [{name: pi, password: "of the file"}]\n')
    before = acl.read_bytes(), pw.read_bytes()
    for args, stdin, word in (
            (("user", "add", "ann"), "another one", "already"),
            (("user", "add", "a:b"), "password of ab", "':'"),
            (("user", "add", "#a"), "password of a", "#"),
            (("user", "add", "bob"), "short", "8 to 256"),
            (("user", "add", "pi"), "password of pi", "mqtt.users"),
            (("user", "passwd", "bob"), "password of bob", "no user"),
            (("user", "add", "bob"), "", "empty")):
        assert word in run(hub, *args, "--password-stdin", stdin=stdin, status=1), args
    for args, word in (
            (("user", "remove", "bob"), "no user"),
            (("user", "remove", "pi"), "mqtt.users"),
            (("acl", "add", "ann", "rw", "x"), "no access"),
            (("acl", "add", "ann", "read", "a#"), "no topic filter"),
            (("acl", "add", "ann", "read", "a\ntopic b"), "line break"),
            (("acl", "add", "ann\nuser root", "read", "a"), "control"),
            (("acl", "add", "ann", "readwrite", "plant/#"), "acl:6"),
            (("acl", "remove", "ann", "read", "plant/#"), "no such rule"),
            (("acl", "check", "ann", "a#"), "neither")):
        assert word in run(hub, *args, status=1), args
    assert "no terminal" in run(hub, "user", "add", "bob", status=1)
    assert (acl.read_bytes(), pw.read_bytes()) == before
    error = json.loads(run(hub, "user", "remove", "bob", "--json", status=1))
    assert "no user" in error["error"], error
    # An argument works, and says what is wrong with it.
    out = subprocess.run([BIN, "user", "add", "bob", "-b", "password of bob", "--control", control(hub)], capture_output=True, text=True)
    assert out.returncode == 0 and "--password-stdin" in out.stderr, out
    log_in(hub, "bob", "password of bob").close()
    # Nothing is set up: how to go on.
    bare = box.hub(name="bare", mqtt=LISTENERS)
    assert "mqtt.password_file" in run(bare, "user", "add", "ann", "--password-stdin", stdin="password of ann", status=1)
    assert "mqtt.acl_file" in run(bare, "acl", "add", "ann", "read", "x", status=1)
    assert "no access file" in run(bare, "acl", "list")
    assert "no access file" in run(bare, "acl", "check", "ann", "x")


def test_a_password_is_typed_without_being_shown(box):
    hub, _, _ = hub_with_files(box, rules=None, users=())
    for again, status in (("password of bob", 0), ("password of bop", 1)):
        pid, fd = pty.fork()
        if pid == 0:
            os.execv(BIN, [BIN, "user", "passwd" if again == "password of bop" else "add", "bob", "--control", control(hub)])
        seen = b""
        for question, word in ((b"Password: ", "password of bob"), (b"Again: ", again)):
            while question not in seen:
                seen += os.read(fd, 1000)
            os.write(fd, word.encode() + b"\n")
        try:
            while got := os.read(fd, 1000):
                seen += got
        except OSError:
            pass
        _, how = os.waitpid(pid, 0)
        os.close(fd)
        assert os.waitstatus_to_exitcode(how) == status, seen
        assert b"password of bo" not in seen, seen
    log_in(hub, "bob", "password of bob").close()


def test_who_interrupts_a_question_has_a_terminal_that_shows(box):
    hub, _, _ = hub_with_files(box, rules=None, users=())

    def shows(fd):
        return bool(termios.tcgetattr(fd)[3] & termios.ECHO)

    for key, how in ((b"\x03", -signal.SIGINT), (b"\x1c", -signal.SIGQUIT), (b"\x1a", 0)):
        pid, fd = pty.fork()
        if pid == 0:
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            os.execv(BIN, [BIN, "user", "add", "bob", "--control", control(hub)])
        seen = b""
        while b"Password: " not in seen:
            seen += os.read(fd, 1000)
        assert not shows(fd)
        os.write(fd, b"pass" + key)
        if how == 0:
            # Nobody could continue what is stopped here, so it is not; it asks again.
            while seen.count(b"Password: ") < 2:
                seen += os.read(fd, 1000)
            assert not shows(fd)
            os.write(fd, b"password of bob\n")
            while b"Again: " not in seen:
                seen += os.read(fd, 1000)
            os.write(fd, b"password of bob\n")
        _, status = os.waitpid(pid, 0)
        assert os.waitstatus_to_exitcode(status) == how, (key, status, seen)
        assert shows(fd), key
        os.close(fd)
    log_in(hub, "bob", "password of bob").close()


def test_a_damaged_file_stays_as_it_is(box):
    hub, acl, pw = hub_with_files(box)
    inside = log_in(hub, "ann", "password of ann")
    good = pw.read_text()
    for path, text, args in ((pw, good + "nonsense\n", ("user", "add", "bob", "--password-stdin")),
                             (acl, "user ann\ntopik x\n", ("acl", "add", "ann", "read", "y"))):
        path.write_text(text)
        out = run(hub, *args, stdin="password of bob", status=1)
        assert f"{path}:{text.count(chr(10))}:1:" in out, out
        assert path.read_text() == text
    # One is damaged: the other is not changed either, since that would not hold.
    pw.write_text(good)
    for args in (("user", "add", "bob", "--password-stdin"), ("user", "remove", "ann")):
        out = run(hub, *args, stdin="password of bob", status=1)
        assert f"{acl}:2:1:" in out and "nothing was changed" in out, out
        assert pw.read_text() == good
    inside.ping()
    log_in(hub, "ann", "password of ann").close()
    acl.write_text(RULES)
    run(hub, "user", "add", "bob", "--password-stdin", stdin="password of bob")
    log_in(hub, "bob", "password of bob").close()
    run(hub, "user", "remove", "ann")
    inside.ended(NOT_AUTHORIZED)


def test_who_holds_a_lock_stops_no_node(box):
    hub, acl, _ = hub_with_files(box)
    with open(acl) as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        out = run(hub, "acl", "add", "ann", "read", "x", status=1)
        assert "locked" in out and acl.read_text() == RULES, out
    run(hub, "acl", "add", "ann", "read", "x")


def test_many_at_once_lose_nothing(box):
    hub, acl, pw = hub_with_files(box)
    names = [f"u{n}" for n in range(24)]

    def add(n):
        if n % 3 == 0:
            # By hand beside the node: the file is locked meanwhile.
            r = subprocess.run([BIN, "user", "add", f"u{n}", "--file", str(pw), "--password-stdin"], input=f"password of u{n}", capture_output=True, text=True)
            assert r.returncode == 0, r
        else:
            run(hub, "user", "add", f"u{n}", "--password-stdin", stdin=f"password of u{n}")
        run(hub, "acl", "add", f"u{n}", "read", f"to/{n}")

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(24)))
    run(hub, "user", "passwd", "ann", "--password-stdin", stdin="another of ann")
    listed = {u["user"] for u in json.loads(run(hub, "user", "list", "--json"))["users"]}
    assert listed == {"ann", *names}, listed
    rules = json.loads(run(hub, "acl", "list", "--json"))["rules"]
    assert {(r["user"], r["filter"]) for r in rules} >= {(f"u{n}", f"to/{n}") for n in range(24)}, rules
    for n in (0, 1, 23):
        c = log_in(hub, f"u{n}", f"password of u{n}")
        assert c.subscribe((f"to/{n}", 0))
        c.close()


def test_a_file_without_a_node(box):
    pw, acl = box.dir / "pw", box.dir / "acl"

    def by_hand(*args, stdin="", status=0):
        r = subprocess.run([BIN, *args], input=stdin, capture_output=True, text=True, start_new_session=True)
        assert r.returncode == status, (args, r)
        return r.stdout + r.stderr

    assert "no file" in by_hand("user", "add", "ann", "--file", str(pw), "--password-stdin", stdin="password of ann", status=1)
    assert "8 to 256" in by_hand("user", "add", "ann", "-c", "--file", str(pw), "--password-stdin", stdin="short", status=1)
    assert not pw.exists()
    assert "wayside reload" in by_hand("user", "add", "ann", "-c", "--file", str(pw), "--password-stdin", stdin="password of ann")
    assert stat.S_IMODE(pw.stat().st_mode) == 0o600
    assert "ann" in by_hand("user", "list", "--file", str(pw))
    acl.write_text("")
    by_hand("acl", "add", "ann", "read", "a/#", "--file", str(acl))
    assert acl.read_text() == "user ann\ntopic read a/#\n"
    assert f"{acl}:2: topic read a/#" in by_hand("acl", "check", "ann", "a/b", "--file", str(acl))
    hub = box.hub(mqtt=LISTENERS + f"  password_file: {pw}\n  acl_file: {acl}\n")
    c = log_in(hub, "ann", "password of ann")
    assert c.subscribe(("a/#", 0))


main(globals())
