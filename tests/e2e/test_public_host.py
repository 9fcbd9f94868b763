"""Behind a NAT that gives one address for one (RFC 3022), as cloud machines are: the address is found, and calls work.

Three network namespaces of this test's own: the gateway's, the NAT's, and the Internet's, with a STUN server (coturn).
"""

import os
import re
import shutil
import subprocess
import sys
import time

import pytest

SBIN = f"{os.environ['PATH']}:/usr/sbin:/sbin"  # where root alone is led
IP, NFT, SYSCTL = (shutil.which(one, path=SBIN) or "" for one in ("ip", "nft", "sysctl"))
NEEDED = [one for one in ("ip", "nft", "turnserver") if not shutil.which(one, path=SBIN)]
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: network namespaces are made"),
    pytest.mark.skipif(bool(NEEDED), reason=f"not installed: {', '.join(NEEDED)}"),
]

GATEWAY, ROUTER, PUBLIC, OUTSIDE = "10.77.0.2", "10.77.0.1", "11.0.0.9", "11.0.0.1"
RULES = f"""
table ip nat {{
  chain in {{ type nat hook prerouting priority -100; iifname "out" ip daddr {PUBLIC} dnat to {GATEWAY}; }}
  chain out {{ type nat hook postrouting priority 100; oifname "out" ip saddr {GATEWAY} snat to {PUBLIC}; }}
}}
"""
FILE = f"""
sip: {{host: 0.0.0.0, public_host: auto, stun_servers: ["{OUTSIDE}:3478"]}}
http: {{port: 0}}
trunks: [{{name: all, peers: [11.0.0.0/24, 10.77.0.0/24]}}]
routes: [{{called: "*", agent: desk}}]
agents: agents
"""
AGENT = """
provider: local
greeting: Good day.
local: {rules: [{hears: goodbye, says: Goodbye., calls: hang_up}]}
tools: [hang_up]
"""


def ip(*words, inside=""):
    where = [IP, "netns", "exec", inside] if inside else []
    subprocess.run([*where, IP, *words], check=True, capture_output=True, timeout=20)


@pytest.fixture
def behind_nat(tmp_path):
    """The names of the three namespaces."""
    names = home, nat, outside = [f"gw{os.getpid()}{one}" for one in ("home", "nat", "out")]
    children = []

    def begin(where, *command):
        path = tmp_path / f"{len(children)}.log"
        with path.open("w") as log:
            whole = [IP, "netns", "exec", where, *command]
            children.append(subprocess.Popen(whole, cwd=tmp_path, stdout=log, stderr=log))
        return path

    try:
        for one in names:
            ip("netns", "add", one)
            ip("link", "set", "lo", "up", inside=one)
        for near, near_name, near_ip, far_name, far_ip in (
            (home, "eth0", GATEWAY, "in", ROUTER),
            (outside, "eth0", OUTSIDE, "out", PUBLIC),
        ):
            ip("link", "add", near_name, "netns", near, "type", "veth", "peer", "name", far_name, "netns", nat)
            for where, name, address in ((near, near_name, near_ip), (nat, far_name, far_ip)):
                ip("address", "add", f"{address}/24", "dev", name, inside=where)
                ip("link", "set", name, "up", inside=where)
        ip("route", "add", "default", "via", ROUTER, inside=home)
        inside = [IP, "netns", "exec", nat]
        subprocess.run([*inside, SYSCTL, "-qw", "net.ipv4.ip_forward=1"], check=True, timeout=20)
        subprocess.run([*inside, NFT, "-f", "-"], input=RULES, text=True, check=True, timeout=20)
        yield begin, home, nat, outside
    finally:
        for child in reversed(children):
            child.terminate()
            child.wait(20)
        for one in names:
            subprocess.run([IP, "netns", "delete", one], check=False, capture_output=True, timeout=20)


def until(path, words, seconds=20):
    end = time.monotonic() + seconds
    while words not in (text := path.read_text()):
        assert time.monotonic() < end, text[-2000:]
        time.sleep(0.1)
    return text


def call(where, host):
    """What a telephone there sees of a call, and whether it heard the agent out."""
    command = [sys.executable, "-m", "gateway.cli.main", "phone", f"sip:desk@{host}", "--say", "goodbye", "--trace"]
    whole = [IP, "netns", "exec", where, *command, "--seconds", "15"]
    done = subprocess.run(whole, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    return done.stdout


def test_the_internet_is_told_the_address_that_stun_sees_and_neighbours_are_not(behind_nat, tmp_path):
    begin, home, nat, outside = behind_nat
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "desk.yaml").write_text(AGENT)
    (tmp_path / "gateway.yaml").write_text(FILE)
    begin(
        outside,
        "turnserver",
        "-n",
        "-S",
        "-L",
        OUTSIDE,
        "-p",
        "3478",
        "--no-tls",
        "--no-dtls",
        "--no-cli",
        "-l",
        "stdout",
    )
    time.sleep(1)
    log = begin(home, sys.executable, "-m", "gateway.cli.main", "serve", "-c", "gateway.yaml")
    until(log, "gateway.listening")
    assert PUBLIC in until(log, "sip.public_host")
    for where, host in ((outside, PUBLIC), (nat, GATEWAY)):
        seen = call(where, host)
        told = re.search(r"SIP/2\.0 200 OK.*?c=IN IP4 (\S+)", seen, re.DOTALL)
        contact = re.search(r"SIP/2\.0 200 OK.*?Contact: <sip:[^@>]*@([^:;>]+)", seen, re.DOTALL)
        assert (told[1], contact[1]) == (host, host)
        assert "hung up" in seen or "BYE" in seen


def test_without_a_stun_server_it_does_not_start_and_says_what_to_write(behind_nat, tmp_path):
    begin, home, _, _ = behind_nat
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "desk.yaml").write_text(AGENT)
    (tmp_path / "gateway.yaml").write_text(FILE)
    log = begin(home, sys.executable, "-m", "gateway.cli.main", "serve", "-c", "gateway.yaml")
    text = until(log, "gateway: sip.public_host", 30)
    assert f"{OUTSIDE}:3478: " in text
    assert "name the address itself, or other servers in sip.stun_servers" in text
    assert "Traceback" not in text
