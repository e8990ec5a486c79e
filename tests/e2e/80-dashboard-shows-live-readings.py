"""The dashboard in a real browser against a real hub: an edge reads this machine, the page shows live
values and charts, after a reload too, and after the hub was killed with -9 and started again.
Pictures are kept in WAYSIDE_SHOTS when it is set."""
import json
import os
import re
import shutil
import subprocess

from harness import BIN, ROOT, SLOW, Skip, free_port, main, until


def need_a_browser():
    if not shutil.which("chromium") or not shutil.which("node"):
        raise Skip("chromium or node is not installed")
    if not (ROOT / "web/node_modules/playwright-core").is_dir():
        raise Skip("the dashboard's packages are not installed (tools/setup)")


def test_the_brokers_page(box):
    need_a_browser()
    hub = box.hub()
    if b"not in this binary" in hub.request("GET", "/")[2]:
        raise Skip("this binary was built without the dashboard (cd web && npm run build)")
    env = {**os.environ, "WAYSIDE_URL": f"http://127.0.0.1:{hub.port('api')}"}
    ran = subprocess.run(["node", str(ROOT / "web/e2e/broker.mjs")], env=env, capture_output=True, text=True, timeout=400 * SLOW, cwd=ROOT / "web")
    counts = re.search(r"(\d+) passed, (\d+) failed", ran.stdout)
    assert ran.returncode == 0 and counts and int(counts.group(1)) >= 7, ran.stdout + ran.stderr


def test_page_is_live_and_survives_a_killed_hub(box):
    need_a_browser()
    api, mqtt = free_port(), free_port()
    hub = box.hub(start=False, mqtt=f'    - {{address: "127.0.0.1:{mqtt}"}}')
    hub.config.write_text(hub.config.read_text().replace('api: {address: "127.0.0.1:0"}', f'api: {{address: "127.0.0.1:{api}"}}'))
    hub.start()
    status, headers, body = hub.request("GET", "/")
    if b"not in this binary" in body:
        raise Skip("this binary was built without the dashboard (cd web && npm run build)")
    assert status == 200 and "text/html" in headers["Content-Type"], (status, headers)
    box.edge(mqtt, host="enabled: true, interval: 1s")
    until(lambda: hub.get("/api/v1/devices")["items"], "the edge's first reading")
    pid = box.dir / "hub.pid"
    pid.write_text(str(hub.process.pid))
    # The browser test kills the hub and starts it again by these two commands; the second hub is
    # ended by the test program itself.
    env = {**os.environ, "WAYSIDE_URL": f"http://127.0.0.1:{api}", "WAYSIDE_DEVICE": "edge",
           "WAYSIDE_KILL": f"kill -9 $(cat {pid})",
           "WAYSIDE_START": f"exec {BIN} hub -c {hub.config} >>{hub.log} 2>&1"}
    ran = subprocess.run(["node", str(ROOT / "web/e2e/run.mjs")], env=env, capture_output=True, text=True,
                         timeout=240 * SLOW, cwd=ROOT / "web")
    hub.process.wait(10 * SLOW)
    counts = re.search(r"(\d+) passed, (\d+) failed", ran.stdout)
    assert ran.returncode == 0 and counts and int(counts.group(1)) >= 5, ran.stdout + ran.stderr


main(globals())
