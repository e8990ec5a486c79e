"""`wayside demo` runs a hub and an edge, starts again what was killed, and cleans up."""
import json
import os
import re
import signal
import subprocess
import tempfile
import time
import urllib.request

from harness import BIN, SLOW, main, until


def test_demo_shows_readings_survives_a_kill_and_cleans_up(box):
    with tempfile.TemporaryDirectory(prefix="wsd-") as tmp:
        demo = box.run(BIN, "demo", stdout=open(box.dir / "out", "w"), stderr=subprocess.STDOUT, env={**os.environ, "TMPDIR": tmp})
        said = until(lambda: (lambda t: t if "Ctrl-C" in t else "")((box.dir / "out").read_text()), "the demo's greeting", 40)
        page = re.search(r"dashboard +(http://\S+)", said).group(1)
        files = re.search(r"files +(\S+)", said).group(1)

        def count():
            with urllib.request.urlopen(page + "api/v1/devices", timeout=5) as r:
                items = json.load(r)["items"]
            return items[0]["streams"][0]["count"] if items else 0
        until(lambda: count() > 0, "readings of this machine", 20)
        hub = int(re.search(r"kill -9 (\d+)", said).group(1))
        before = count()
        os.kill(hub, signal.SIGKILL)
        until(lambda: "the hub was ended by signal 9" in (box.dir / "out").read_text(), "the demo to notice")
        until(lambda: count() > before, "readings after the hub came back", 20)
        demo.send_signal(signal.SIGTERM)
        assert demo.wait(20 * SLOW) == 0
        assert not os.path.exists(files), "the scratch folder is still there"
        leftovers = subprocess.run(["pgrep", "-f", files], capture_output=True, text=True).stdout
        assert not leftovers, leftovers


main(globals())
