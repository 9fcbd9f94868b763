"""Kamailio as a process of its own, from a configuration whose words in capitals are filled in."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

KAMAILIO = shutil.which("kamailio") or shutil.which("/usr/sbin/kamailio")  # where only root's PATH leads
FOLDER = Path(__file__).parent

needs_kamailio = pytest.mark.skipif(KAMAILIO is None, reason="Kamailio is not installed (Debian: kamailio)")

ASK = (
    "OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKask;rport\r\nFrom: <sip:a@b>;tag=1\r\n"
    "To: <sip:c@d>\r\nCall-ID: ask\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 0\r\nContent-Length: 0\r\n\r\n"
)


def kill(process: subprocess.Popen[bytes]) -> None:
    """As when the power fails: all its processes at once."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(5)


@contextmanager
def kamailio(name: str, folder: Path, port: int, **words: object) -> Iterator[subprocess.Popen[bytes]]:
    """`name`.cfg of this folder, running and answering on UDP `port`."""
    text = (FOLDER / f"{name}.cfg").read_text()
    for word, value in words.items():
        text = text.replace(word, str(value))
    (folder / f"{name}.cfg").write_text(text)
    with running_kamailio(folder / f"{name}.cfg", ("127.0.0.1", port)) as process:
        yield process


@contextmanager
def running_kamailio(
    config: Path, address: tuple[str, int], defines: tuple[str, ...] = ()
) -> Iterator[subprocess.Popen[bytes]]:
    """It answers at a UDP address; `defines` are NAME=VALUE, for words of its configuration."""
    folder, log = config.parent, config.with_suffix(".log")
    command = [str(KAMAILIO), "-f", str(config), "-DD", "-E", "-Y", str(folder), "-m", "32", "-M", "4"]
    command += [word for one in defines for word in ("-A", one)]
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.settimeout(0.3)
            for _ in range(40):
                try:
                    probe.sendto(ASK.encode(), address)
                    probe.recv(2000)
                    break
                except OSError:
                    time.sleep(0.1)
            else:
                raise TimeoutError(log.read_text())
        yield process
    finally:
        process.terminate()
        process.wait(20)
