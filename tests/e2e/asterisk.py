"""Asterisk as a process of its own: the system's, or the one that deploy/test-asterisk.sh has put into a folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

import pytest

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
ROOT = Path(os.environ.get("ASTERISK_ROOT") or CACHE / "voice-agent-gateway" / "asterisk")
SYSTEMS = shutil.which("asterisk") or shutil.which("/usr/sbin/asterisk")  # where only root's PATH leads
CHROOT = shutil.which("chroot") or shutil.which("/usr/sbin/chroot")
AVAILABLE = bool(SYSTEMS or (CHROOT and os.geteuid() == 0 and (ROOT / "usr/sbin/asterisk").exists()))

needs_asterisk = pytest.mark.skipif(not AVAILABLE, reason="Asterisk is not installed (deploy/test-asterisk.sh)")

ASTERISK_CONF = """
[directories]
astetcdir => {folder}
astmoddir => {modules}
astvarlibdir => /var/lib/asterisk
astdatadir => /usr/share/asterisk
astdbdir => {folder}
astkeydir => {folder}
astspooldir => {folder}
astrundir => {folder}
astlogdir => {folder}
"""

MODULES_CONF = """
[modules]
autoload=yes
noload => chan_sip.so
noload => chan_iax2.so
noload => chan_skinny.so
noload => chan_mgcp.so
noload => chan_unistim.so
noload => res_phoneprov.so
noload => cdr_custom.so
"""

PJSIP_CONF = """
[udp]
type=transport
protocol=udp
bind=127.0.0.1:PORT

[tls]
type=transport
protocol=tls
bind=127.0.0.1:TLS
cert_file=FOLDER/cert.pem
priv_key_file=FOLDER/key.pem
ca_list_file=FOLDER/cert.pem
method=tlsv1_2

[gateway]
type=aor
max_contacts=2
remove_existing=yes

[gateway-auth]
type=auth
auth_type=userpass
username=another-name
password=secret

[gateway]
type=endpoint
context=from-gateway
disallow=all
allow=ulaw,alaw
aors=gateway
auth=gateway-auth
direct_media=no
MORE
"""

EXTENSIONS_CONF = """
[from-gateway]
exten => 600,1,Answer()
 same => n,Milliwatt()
exten => 601,1,Answer()
 same => n,Milliwatt()
exten => 602,1,Answer()
 same => n,Milliwatt()
exten => 603,1,Busy()

[to-gateway]
exten => _X.,1,Dial(PJSIP/${EXTEN}@gateway,30)
"""


class Asterisk:
    """One that runs; `port` is that of UDP, `tls` that of TLS."""

    def __init__(self, prefix: list[str], folder: str, seen: Path, port: int, tls: int) -> None:
        self._command, self.seen = [*prefix, "-C", f"{folder}/asterisk.conf"], seen
        self.port, self.tls = port, tls

    def cli(self, command: str) -> str:
        done = subprocess.run([*self._command, "-rx", command], capture_output=True, text=True, timeout=10, check=False)
        return done.stdout + done.stderr

    def log(self) -> str:
        return (self.seen / "output").read_text(errors="replace")


@contextmanager
def asterisk(port: int, tls: int, certificate: str, key: str, more: str = "") -> Iterator[Asterisk]:
    """Listening on 127.0.0.1; `more` are lines of the endpoint `gateway`."""
    root, prefix = (Path("/"), [SYSTEMS]) if SYSTEMS else (ROOT, [str(CHROOT), str(ROOT), "/usr/sbin/asterisk"])
    seen = Path(mkdtemp(prefix="gateway-asterisk-", dir=root / "tmp"))
    folder = f"/{seen.relative_to(root)}"
    modules = next(iter(sorted((root / "usr/lib").glob("**/asterisk/modules"))), root / "usr/lib/asterisk/modules")
    shutil.copy(certificate, seen / "cert.pem")
    shutil.copy(key, seen / "key.pem")
    files = {
        "asterisk.conf": ASTERISK_CONF.format(folder=folder, modules=f"/{modules.relative_to(root)}"),
        "modules.conf": MODULES_CONF,
        "pjsip.conf": PJSIP_CONF.replace("PORT", str(port)).replace("TLS", str(tls)).replace("FOLDER", folder)
        .replace("MORE", more),
        "extensions.conf": EXTENSIONS_CONF,
        "rtp.conf": "[general]\nrtpstart=30000\nrtpend=30100\n",
        "logger.conf": "[logfiles]\nconsole => notice,warning,error,verbose\n",
    }  # fmt: skip
    for name, text in files.items():
        (seen / name).write_text(text)
    with (seen / "output").open("wb") as output:
        process = subprocess.Popen(
            [*prefix, "-f", "-C", f"{folder}/asterisk.conf", "-vvv"], stdout=output, stderr=output,
            stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
    one = Asterisk(prefix, folder, seen, port, tls)
    try:
        for _ in range(150):
            if process.poll() is not None:
                raise RuntimeError(one.log()[-3000:])
            if "Asterisk Ready" in one.log() or "fully booted" in one.cli("core waitfullybooted"):
                break
            time.sleep(0.1)
        yield one
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(seen, ignore_errors=True)
