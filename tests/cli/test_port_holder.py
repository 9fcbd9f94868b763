import socket
import subprocess
import sys
import time

import pytest

from gateway.cli.port_holder import _named, holder_of


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_another_process_is_named_and_not_ourselves(tmp_path, kind):
    script = tmp_path / "telephone"
    script.write_text(
        f"import socket, time\nwith socket.socket(socket.AF_INET, {int(kind)}) as one:\n"
        "    one.bind(('127.0.0.1', 0))\n"
        + ("    one.listen()\n" if kind == socket.SOCK_STREAM else "")
        + "    print(one.getsockname()[1], flush=True)\n    time.sleep(60)\n"
    )
    other = subprocess.Popen([sys.executable, str(script), "ring"], stdout=subprocess.PIPE, text=True)
    try:
        port = int(other.stdout.readline())
        assert holder_of(port) == f"telephone ring (process {other.pid})"
    finally:
        other.kill()
        other.communicate()
    with socket.socket() as own:
        own.bind(("127.0.0.1", 0))
        own.listen()
        assert holder_of(own.getsockname()[1]) == ""
    for _ in range(50):
        if not holder_of(port):
            break
        time.sleep(0.1)
    assert holder_of(port) == ""


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["/usr/bin/python3.11", "/opt/gateway/bin/gateway", "demo", "--sip-port", "5070"], "gateway demo"),
        (["/usr/sbin/asterisk", "-f"], "asterisk -f"),
        (["kamailio"], "kamailio"),
        ([], "a program"),
    ],
)
def test_a_command_is_called_as_people_call_it(command, name):
    assert _named(command) == name
