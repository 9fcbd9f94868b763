"""Redis taken away under calls: `python -m tests.bench_outage --calls 50 --seconds 30`.

SIPp makes the calls, Redis is killed for so long in their midst, and comes back. Then every event that the gateway
told is looked for in Redis, and every record. Lateness and delays are those of the time that it was away.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path

import orjson
from redis import Redis

from gateway.store import keys
from gateway.store.connection import server_executable
from tests.bench_media import HEADER, PROBES, Bench, line
from tests.gatewayd import free_port


def start(folder: Path, port: int) -> subprocess.Popen[bytes]:
    options = ("--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "")
    kept = ("--appendonly", "yes", "--appendfsync", "always")
    return subprocess.Popen([str(server_executable()), *options, *kept], stdout=subprocess.DEVNULL)


def told(log: Path) -> Counter[str]:
    """Events by call, as the gateway's log has them."""
    found: Counter[str] = Counter()
    for one in log.read_bytes().splitlines():
        if b'"call.' in one and (row := orjson.loads(one)).get("event", "").startswith("call."):
            found[row["call_id"]] += 1
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=50)
    parser.add_argument("--seconds", type=int, default=30)
    options = parser.parse_args()
    port = free_port()
    more = f"redis: {{url: 'redis://127.0.0.1:{port}'}}\nlog: {{level: info, format: json, transcripts: true}}\n"
    options.__dict__ |= {"chunk_ms": 20, "loss": 0.0, "jitter_ms": 0.0, "agent": "", "under": [], "config": more}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        redis = start(folder, port)
        time.sleep(0.5)
        bench = Bench(folder, options)
        try:
            began = time.monotonic()
            ramp = options.calls // 20 + 5

            def away() -> None:
                nonlocal redis
                redis.kill()
                redis.wait()
                print(f"Redis was killed {time.monotonic() - began:.0f} s after the first call", flush=True)

            row = bench.run(options.calls, options.seconds, at_start=away)
            print(f"and was away for {time.monotonic() - began - ramp:.0f} s; what waited: "
                  f"{bench.metrics()['gateway_store_waiting']:.0f} writes", flush=True)  # fmt: skip
            redis = start(folder, port)
            while bench.metrics()["gateway_store_waiting"] or not bench.metrics()["gateway_store_available"]:
                time.sleep(0.2)
            time.sleep(1)
            print(f"\n{HEADER}\n{line(row)}\n")
            client, events = Redis(port=port), told(folder / "log")
            stored = {call_id: int(client.xlen(keys.events(call_id))) for call_id in events}
            ended = {one.decode() for one in client.zrange(keys.ENDED, 0, -1)}
            lost = {
                call_id: events[call_id] - stored[call_id] for call_id in events if stored[call_id] < events[call_id]
            }
            dropped = bench.metrics()["gateway_store_dropped_total"]
            print(
                f"{len(events)} calls ({PROBES} of them the probe's), {sum(events.values())} events told, "
                f"{sum(stored.values())} in Redis, {sum(lost)} lost; {len(ended)} records of ended calls, "
                f"{int(client.zcard(keys.LIVE))} live; dropped: {dropped:.0f}"
            )
        finally:
            bench.close()
            redis.terminate()
            redis.wait()


if __name__ == "__main__":
    main()
