#!/usr/bin/env python3
"""The checks themselves are tested: each must pass clean code and name the planted fault."""
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CASES = [
    # tool, file, content, expected words ("" = must pass)
    ("check-includes", "src/wire/a.c", '#include "base/str.h"\n', ""),
    ("check-includes", "src/base/a.c", '#include "wire/a.h"\n', "base/ may not include wire/"),
    ("check-includes", "src/journal/a_io.c", '#include "mqtt/broker.h"\n', "journal/ may not include mqtt/"),
    ("check-includes", "src/wire/a.c", '#include "a.h"\n', "not written from src/"),
    ("check-includes", "src/hub/rules.c", '#include "net/loop.h"\n', "a pure file may not include"),
    ("check-includes", "src/hub/rules_io.c", '#include "net/loop.h"\n', ""),
    ("check-includes", "src/wire/a.c", "#include <sys/socket.h>\n", "a pure file may not include <sys/socket.h>"),
    ("check-includes", "src/wire/a.c", "#include <time.h>\n", "a pure file may not include <time.h>"),
    ("check-includes", "src/http/a_server.c", "#include <uv.h>\n", "<uv.h> belongs to net"),
    ("check-includes", "src/edge/a.c", '#include "base/clock.h"\n', "a pure file may not include"),
    ("check-includes", "src/rubbish/a.c", "int x;\n", "not in the list of folders"),
    ("check-banned", "src/wire/a.c", "/* strcpy(a, b) */ char *s = \"atoi(x)\";\n", ""),
    ("check-banned", "src/wire/a.c", "void f(void) { strcpy(a, b); }\n", "strcpy() is banned"),
    ("check-banned", "src/wire/a.c", "int f(void) { return atoi (x); }\n", "atoi() is banned"),
    ("check-banned", "src/wire/a.c", "void f(void) { alloca(n); }\n", "alloca() is banned"),
    ("check-banned", "src/wire/a.c", "void f(void) { malloc(n); }\n", "malloc() is banned"),
    ("check-banned", "tests/unit/a.c", "void f(void) { usleep(1); }\n", "usleep() is banned"),
    ("check-banned", "src/hub/a_io.c", "pthread_mutex_t m; void f(void) { pthread_mutex_lock(&m); }\n", "pthread_mutex_lock outside"),
    ("check-banned", "src/hub/a_io.c", "atomic_int n;\n", "atomic_int outside"),
    ("check-banned", "src/net/a.c", "atomic_int n;\n", ""),
    ("check-banned", "src/wire/a.c", "const char *p = \"/root/x\";\n", "a path of one machine"),
]

failed = 0
for tool, name, content, expected in CASES:
    with tempfile.TemporaryDirectory() as tmp:
        path = pathlib.Path(tmp) / name
        path.parent.mkdir(parents=True)
        path.write_text(content)
        ran = subprocess.run([ROOT / "tools" / tool, tmp], capture_output=True, text=True)
        good = (ran.returncode == 0 if not expected else ran.returncode == 3 and expected in ran.stdout)
        if not good:
            failed += 1
            print(f"FAIL {tool} on {content!r}: expected {expected!r}, status {ran.returncode}\n{ran.stdout}{ran.stderr}")
for tool in ("check-includes", "check-banned"):
    with tempfile.TemporaryDirectory() as tmp:
        if subprocess.run([ROOT / "tools" / tool, tmp], capture_output=True).returncode == 0:
            failed += 1
            print(f"FAIL {tool} passes although it checked nothing")
# Who reads what failed must find the test, its file and its reason, and nothing of what passed.
LOG = """10-good (1 s)
  ok   test_a (0.1 s)
20-bad (2 s)
  ok   test_b (0.1 s)
  FAIL test_c: AssertionError: 1
    Traceback
  ok   test_d (0.1 s)
failed: 20-bad: test_c: AssertionError: 1
3 passed, 1 failed, 0 skipped
"""
with tempfile.NamedTemporaryFile("w", suffix=".log") as log:
    log.write(LOG)
    log.flush()
    shown = subprocess.run([ROOT / "tools" / "failures", log.name], capture_output=True, text=True).stdout
    if shown != "20-bad (2 s)\n  FAIL test_c: AssertionError: 1\n    Traceback\n":
        failed += 1
        print(f"FAIL failures shows {shown!r}")
print(f"{len(CASES) + 3 - failed} passed, {failed} failed")
sys.exit(1 if failed else 0)
