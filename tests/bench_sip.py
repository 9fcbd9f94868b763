"""Figures of signalling: `python -m tests.bench_sip`, which `make bench` runs too.

How many calls a second one node sets up, what a flood of a stranger's INVITEs does to those who talk, and what a dead
server costs. The gateway,
the agent (an echo) and the generator (SIPp) are processes of their own, and share this machine.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvloop

from gateway.sip import OutgoingInvite, SipSettings, Trunk, Uri, UserAgent
from gateway.sip.message.message import Request, parse
from tests.bench import cpu, resident
from tests.caller import Caller
from tests.gatewayd import free_port, until_ready
from tests.wire import OFFER, request

ROOT = Path(__file__).parent.parent
CONFIG = """
sip: {{host: 127.0.0.1, port: {sip}, calls_per_second: 0, max_calls: 0}}
http: {{port: {http}}}
media: {{first_port: 10000, last_port: 59999}}
log: {{level: warning}}
agents: agents
providers: {{echo: {{url: "ws://127.0.0.1:{echo}/v1/realtime"}}}}
{trunks}
routes: [{{called: "*", agent: echo}}]
"""


@dataclass
class Node:
    sip: int
    http: int
    pid: int
    echo_pid: int
    log: Path


@contextmanager
def node(trunks: str = "") -> Iterator[Node]:
    """A gateway whose agent says back what it hears."""
    sip, http, echo = free_port(), free_port(), free_port()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "agents").mkdir()
        (folder / "agents" / "echo.yaml").write_text("provider: echo\n")
        (folder / "gateway.yaml").write_text(CONFIG.format(sip=sip, http=http, echo=echo, trunks=trunks))
        agent = subprocess.Popen([sys.executable, "-m", "tests.echo", str(echo)], cwd=ROOT)
        with (folder / "log").open("wb") as log:
            command = [Path(sys.executable).parent / "gateway", "serve", "-c", folder / "gateway.yaml"]
            gateway = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            until_ready(http)
            yield Node(sip, http, gateway.pid, agent.pid, folder / "log")
        finally:
            for process in (gateway, agent):
                process.terminate()
            time.sleep(0.3)
            gateway.terminate()
            for process in (gateway, agent):
                process.wait(30)


def set_ups(first: int, step: int, last: int, seconds: int) -> None:
    """Ever more calls a second, until the first fails."""
    print(f"\nset-ups per second, {seconds} s of each rate; CPU as a share of one core")
    for rate in range(first, last + 1, step):
        with node() as one, tempfile.TemporaryDirectory() as folder:
            before, began = (cpu(one.pid), cpu(one.echo_pid)), time.monotonic()
            command = [
                "sipp", f"127.0.0.1:{one.sip}", "-sf", str(ROOT / "sipp-scenarios" / "setup.xml"), "-s", "a", "-i",
                "127.0.0.1", "-p", str(free_port()), "-r", str(rate), "-m", str(rate * seconds), "-nostdin", "-timeout",
                str(seconds + 40), "-trace_rtt", "-rtt_freq", "1", "-l", "4000",
            ]  # fmt: skip
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            elapsed = time.monotonic() - began
            used = [(after - start) / elapsed * 100 for after, start in
                    zip((cpu(one.pid), cpu(one.echo_pid)), before, strict=True)]  # fmt: skip
            path = next(Path(folder).glob("*_rtt.csv"))
            times = sorted(float(line.split(";")[1]) for line in path.read_text().splitlines()[1:])
            failed = rate * seconds - len(times) if done.returncode == 0 else max(1, rate * seconds - len(times))
            half, most = times[len(times) // 2], times[int(len(times) * 0.95)]
            print(
                f"  {rate:4} a second: {failed} failed; INVITE to 200, ms: p50 {half:.0f}, p95 {most:.0f}, "
                f"longest {times[-1]:.0f}; gateway {used[0]:.0f} %, echo {used[1]:.0f} %; {resident(one.pid):.0f} MB",
                flush=True,
            )
            if failed:
                return


def churn(rounds: int, calls: int) -> None:
    """Calls of 2 s with sound both ways, 20 a second, and what the gateway holds when they are over."""
    print(f"\n{rounds} rounds of {calls} calls of 2 s, set up and torn down; memory of the gateway after each, MB")
    with node() as one:
        sizes = [resident(one.pid)]
        for _ in range(rounds):
            command = [
                "sipp", f"127.0.0.1:{one.sip}", "-sf", "load.xml", "-s", "a", "-i", "127.0.0.1", "-mi", "127.0.0.1",
                "-p", str(free_port()), "-mp", str(10000 + free_port() % 9000 * 2), "-r", "20", "-m", str(calls),
                "-d", "2000", "-nostdin", "-timeout", str(calls // 20 + 60),
            ]  # fmt: skip
            done = subprocess.run(command, cwd=ROOT / "sipp-scenarios", capture_output=True, check=False)
            time.sleep(1)
            sizes.append(resident(one.pid))
            if done.returncode:
                print(f"  SIPp ended with {done.returncode}")
        print("  " + ", ".join(f"{size:.1f}" for size in sizes))


async def flood(calls: int, invites: int, seconds: float) -> None:
    """A stranger's INVITEs at an even pace, while others talk and listen."""
    with node('trunks: [{name: here, peers: ["127.0.0.1"]}]') as one:
        callers = [Caller(one.sip) for _ in range(calls)]
        for caller in callers:
            await caller.__aenter__()
            assert await caller.invite() == 200
        memory = resident(one.pid)
        talking = asyncio.gather(*(caller.silence(seconds + 1) for caller in callers))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.bind(("127.0.0.9", 0))
            loop = asyncio.get_running_loop()
            began = loop.time()
            for number in range(invites):
                data = request(body=OFFER, branch=f"z9hG4bKf{number}").replace(b"one@", b"%d@" % number)
                stranger.sendto(data, ("127.0.0.1", one.sip))
                due = began + seconds * number / invites
                if due > loop.time():
                    await asyncio.sleep(due - loop.time())
            took = loop.time() - began
        await talking
        pairs = [pair for caller in callers for pair in itertools.pairwise(caller.packets)]
        missing = sum(((after.sequence - before.sequence) & 0xFFFF) - 1 for before, after in pairs)
        gaps = [(after.at - before.at) * 1000 for before, after in pairs]
        text = urllib.request.urlopen(f"http://127.0.0.1:{one.http}/metrics", timeout=5).read().decode()
        values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        print(f"\n{invites} INVITEs of a stranger in {took:.0f} s, while {calls} calls talk")
        print(f"  packets missing {missing}; time between packets, ms: median {statistics.median(gaps):.1f}, "
              f"99.9 % {sorted(gaps)[int(len(gaps) * 0.999)]:.1f}, longest {max(gaps):.1f}")  # fmt: skip
        refused = values['gateway_sip_unknown_peers_total{what="refused"}']
        dropped = values['gateway_sip_unknown_peers_total{what="dropped"}']
        print(f"  answered by 403: {refused}, not answered: {dropped}")
        print(f"  memory of the gateway {memory:.1f} MB before, {resident(one.pid):.1f} after")
        for caller in callers:
            caller.bye()
            await caller.__aexit__()


async def dead_server(calls: int) -> None:
    """From the order to call to the first word of the server that lives, of two of which the first is dead."""

    class Server(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            message = parse(data)
            if isinstance(message, Request) and message.method != "ACK":
                answer = message.respond(486 if message.method == "INVITE" else 200, to_tag="b")
                self.transport.sendto(answer.serialize(), addr)  # type: ignore[attr-defined]

    loop = asyncio.get_running_loop()
    dead, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, ("127.0.0.1", 0))
    live, _ = await loop.create_datagram_endpoint(Server, ("127.0.0.1", 0))
    places = [one.get_extra_info("sockname")[1] for one in (dead, live)]
    servers = [Uri.parse(f"sip:127.0.0.1:{place}") for place in places]
    medians = []
    print(f"\na trunk of two servers, the first dead: from the order to the answer of the other, {calls} calls, ms")
    for ping in (0.0, 10.0):
        trunk = Trunk("t", server=servers[0], backup_servers=(servers[1],), options_ping_seconds=ping)
        told: asyncio.Queue[object] = asyncio.Queue()
        agent = UserAgent(SipSettings(port=0, trunks=(trunk,)), told.put_nowait)
        await agent.listen()
        if ping:
            async with asyncio.timeout(10):
                while not agent.core.trunks.silent:
                    await asyncio.sleep(0.05)
        times = []
        for _ in range(calls):
            began = time.perf_counter()
            agent.call(OutgoingInvite("1", trunk), lambda flow: OFFER)
            await told.get()
            times.append((time.perf_counter() - began) * 1000)
        await agent.close()
        medians.append(statistics.median(times))
        how = "with options_ping_seconds" if ping else "without"
        print(f"  {how}: median {medians[-1]:.1f}, longest {max(times):.1f}")
    print(f"  {medians[0] / medians[1]:.0f} times")
    dead.close()
    live.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=20)
    parser.add_argument("--step", type=int, default=20)
    parser.add_argument("--last", type=int, default=400)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--invites", type=int, default=10_000)
    parser.add_argument("--only", choices=["set_ups", "churn", "flood", "dead_server"], default="")
    parser.add_argument("--calls", type=int, default=20)
    given = parser.parse_args()
    if given.only in ("", "set_ups"):
        set_ups(given.first, given.step, given.last, given.seconds)
    if given.only in ("", "churn"):
        churn(4, 500)
    if given.only in ("", "flood"):
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(flood(given.calls, given.invites, 60.0 if given.invites >= 10_000 else 6.0))
    if given.only in ("", "dead_server"):
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(dead_server(5))


if __name__ == "__main__":
    main()
