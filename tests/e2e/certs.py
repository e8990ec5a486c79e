"""Certificates of a test's own, in its box."""
import shutil
import subprocess

from harness import SLOW, Skip


def openssl(*args, cwd):
    r = subprocess.run(["openssl", *args], cwd=cwd, capture_output=True, text=True, timeout=60 * SLOW)
    assert r.returncode == 0, r.stderr


def authority(box, name="ca"):
    if not shutil.which("openssl"):
        raise Skip("openssl is not installed")
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key", "-out",
            f"{name}.crt", "-days", "2", "-subj", f"/CN={name}", cwd=box.dir)


def certificate(box, name, ca="ca"):
    """NAME.crt and NAME.key for localhost and 127.0.0.1."""
    (box.dir / "san.cnf").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr",
            "-subj", f"/CN={name}", cwd=box.dir)
    openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{ca}.crt", "-CAkey", f"{ca}.key", "-CAcreateserial", "-out",
            f"{name}.crt", "-days", "1", "-extfile", "san.cnf", cwd=box.dir)
