"""Figures of this machine: `make bench`, or `python -m tests.bench --calls 20 --seconds 60`.

Kernels are compared with their alternatives in the same run, as ratios. Calls are real: a gateway in a process of its
own, the embedded Realtime server in another, callers who speak and listen over loopback in this one.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
import timeit
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soxr
import uvloop

from gateway.bridge.legs.sip_leg import SipLeg
from gateway.codecs import G722, Resampler, g711, kernel
from gateway.codecs.resample import Kernel
from tests.caller import Caller, heard_ms, last_loud_ms
from tests.gatewayd import free_port, running, settings_for, until_ready
from tests.speech import narrowband

TICKS = os.sysconf("SC_CLK_TCK")


def microseconds(function: Callable[[], object]) -> float:
    """Median of 7 runs, for one call of `function`."""
    number = max(1, int(0.02 / max(1e-7, timeit.timeit(function, number=3) / 3)))
    return statistics.median(timeit.repeat(function, number=number, repeat=7)) / number * 1e6


def kernels() -> None:
    print("kernels, us for one frame of 20 ms (ratio to the first row of each group)")
    rng = np.random.default_rng(1)
    narrow, wide = rng.integers(-9000, 9000, 160).astype(np.int16), rng.integers(-9000, 9000, 480).astype(np.int16)
    for name, in_hz, out_hz, frame in (("up", 8000, 24000, narrow), ("down", 24000, 8000, wide)):
        ours, theirs = Resampler(in_hz, out_hz), soxr.ResampleStream(in_hz, out_hz, 1, dtype="int16", quality="HQ")
        rows = {
            f"resample {name}, one call": microseconds(lambda: ours.push(frame)),  # noqa: B023
            **{
                f"resample {name}, {calls} calls at once": _batch(kernel(in_hz, out_hz), calls, len(frame))
                for calls in (10, 50, 200)
            },
            "soxr one-shot": microseconds(lambda: soxr.resample(frame, in_hz, out_hz)),  # noqa: B023
            "soxr stream (holds 12 to 70 ms back)": microseconds(lambda: theirs.resample_chunk(frame)),  # noqa: B023
        }
        _print(rows)
        snr, delay = quality(in_hz, out_hz)
        print(f"  {name}: {snr:.1f} dB against the best offline conversion of 300 to 3400 Hz, {delay:.2f} ms of delay")
    batch = rng.integers(-9000, 9000, (50, 160)).astype(np.int16)
    _print({
        "G.711 encode, one call": microseconds(lambda: g711.encode(g711.ULAW, narrow)),
        "G.711 encode, 50 calls at once": microseconds(lambda: g711.encode(g711.ULAW, batch)) / 50,
    })  # fmt: skip
    coder, pcm = G722(), rng.integers(-9000, 9000, 320).astype("<i2").tobytes()
    coded = coder.encode(pcm)
    _print({
        "G.722 encode": microseconds(lambda: coder.encode(pcm)),
        "G.722 decode": microseconds(lambda: coder.decode(coded)),
    })  # fmt: skip


def _batch(kernel: Kernel, calls: int, frame: int) -> float:
    block = np.zeros((calls, kernel.context + frame), np.float32)
    return microseconds(lambda: kernel.convert(block)) / calls


def quality(in_hz: int, out_hz: int) -> tuple[float, float]:
    """Signal to noise in dB, and the delay in ms at which it is best, of noise in the band of telephones."""
    spectrum = np.fft.rfft(np.random.default_rng(7).normal(size=2 * in_hz))
    places = np.fft.rfftfreq(2 * in_hz, 1 / in_hz)
    spectrum[(places < 300) | (places > 3400)] = 0
    signal = np.fft.irfft(spectrum)
    signal = np.rint(signal / np.abs(signal).max() * 20000).astype(np.int16)
    ours = Resampler(in_hz, out_hz).push(signal).astype(float)
    best = soxr.resample(signal.astype(float), in_hz, out_hz, "VHQ")
    inner = slice(out_hz // 10, out_hz)
    found = []
    for delay in range(out_hz // 200):
        error = ours[delay:][inner] - best[inner]
        found.append((10 * np.log10(np.mean(best[inner] ** 2) / np.mean(error**2)), delay / out_hz * 1000))
    return max(found)


def _print(rows: dict[str, float]) -> None:
    first = next(iter(rows.values()))
    for name, value in rows.items():
        print(f"  {name:40} {value:8.2f}   x{value / first:.2f}")


def cpu(pid: int) -> float:
    """User and system time of a process so far, in s."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident(pid: int) -> float:
    """MB."""
    line = next(one for one in Path(f"/proc/{pid}/status").read_text().splitlines() if one.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def children(pid: int) -> dict[str, int]:
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = path.read_text()
        except OSError:
            continue
        if int(text.rpartition(")")[2].split()[1]) == pid:
            found["Redis" if "redis" in text else "Realtime server"] = int(path.parent.name)
    return found


async def one_caller(port: int, seconds: float, delay: float) -> Caller:
    """Greeting, then a question every nine seconds."""
    await asyncio.sleep(delay)
    caller = Caller(port)
    await caller.__aenter__()
    assert await caller.invite() == 200
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    question = narrowband("what are your opening hours")
    await caller.silence(3.5)
    while loop.time() < end and not caller.over.is_set():
        await caller.talk(question)
        await caller.silence(min(7.5, max(0.02, end - loop.time())))
    return caller


async def load(calls: int, seconds: float) -> None:
    sip, http = free_port(), free_port()
    command = [Path(sys.executable).parent / "gateway", "demo", "--sip-port", str(sip), "--http-port", str(http)]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            await asyncio.to_thread(until_ready, http)
            processes = {"gateway": process.pid, **children(process.pid), "callers (this process)": os.getpid()}
            warm = await one_caller(sip, 8, 0)
            warm.bye()
            await asyncio.sleep(0.5)
            memory = resident(process.pid)
            before, began = {name: cpu(pid) for name, pid in processes.items()}, time.monotonic()
            tasks = [asyncio.create_task(one_caller(sip, seconds, index * 0.1)) for index in range(calls)]
            await asyncio.sleep(seconds * 0.75)
            peak = resident(process.pid)
            callers = await asyncio.gather(*tasks)
            elapsed = time.monotonic() - began
            after = {name: cpu(pid) for name, pid in processes.items()}
            _report(calls, elapsed, callers, http)
            for name in processes:
                share = (after[name] - before[name]) / elapsed * 100
                print(f"  CPU of {name:28} {share:6.1f} % of a core, {share / calls:.2f} % a call")
            print(f"  memory of the gateway {memory:.1f} MB, and {(peak - memory) / calls:.2f} MB for each call")
            for caller in callers:
                if not caller.over.is_set():
                    caller.bye()
            await asyncio.sleep(0.3)
        finally:
            process.terminate()
            process.wait(20)


def _report(calls: int, elapsed: float, callers: list[Caller], http: int) -> None:
    lost = sum(caller.over.is_set() for caller in callers)
    missing, gaps, spoken = 0, [], 0
    for caller in callers:
        sequence = np.array([packet.sequence for packet in caller.packets], np.int64)
        missing += int(((np.diff(sequence) - 1) % 65536).sum())
        gaps += list(np.diff([packet.at for packet in caller.packets]) * 1000)
        spoken += sum(not packet.silent for packet in caller.packets)
    low, middle, high = np.percentile(gaps, [1, 50, 99])
    metrics = urllib.request.urlopen(f"http://127.0.0.1:{http}/metrics", timeout=5).read().decode()
    values = dict(line.rsplit(" ", 1) for line in metrics.splitlines() if not line.startswith("#"))
    print(f"\n{calls} calls with speech for {elapsed:.0f} s: {lost} lost")
    print(f"  packets missing {missing}, with the agent's speech {spoken}")
    print(f"  time between packets, ms: 1 % {low:.1f}, median {middle:.1f}, 99 % {high:.1f}, longest {max(gaps):.1f}")
    late, frames = float(values['gateway_media_late_frames_total{ms="5"}']), float(values["gateway_media_frames_total"])
    print(f"  media clock: {late:.0f} of {frames:.0f} frames more than 5 ms late")


async def barge_in(rounds: int) -> None:
    """From speech_started on the WebSocket to the last packet of the old speech; and what the provider was told."""
    words = " ".join(["and so on"] * 60)
    agent = f'greeting: "{words}"\nturn_detection: {{type: server_vad}}\n'
    times: list[float] = []
    errors: list[float] = []
    spoken: list[bytes] = []
    with tempfile.TemporaryDirectory() as folder:
        async with running(settings_for(Path(folder), {"bob": agent})) as (gateway, events):
            loop = asyncio.get_running_loop()
            heard: dict[str, float] = {}
            play = SipLeg.play
            SipLeg.play = lambda leg, item, index, audio: (spoken.append(audio), play(leg, item, index, audio))[1]  # type: ignore[method-assign]
            gateway.sinks.append(lambda event, record: heard.setdefault(event.type, loop.time()))
            for number in range(rounds):
                heard.clear()
                events.clear()
                spoken.clear()
                async with Caller(gateway.sip_port) as caller:
                    await caller.invite()
                    await caller.silence(0.8 + number * 0.13)
                    await caller.talk(narrowband("what are your opening hours")[:8000])
                    await caller.silence(0.1)
                    caller.bye()
                told = next(data for kind, data in events if kind == "interrupted")
                began = heard["speech_started"]
                stop = next(i for i, one in enumerate(caller.packets) if one.at > began and one.silent)
                times.append(max(0.0, (caller.packets[stop - 1].at - began) * 1000))
                sent = np.frombuffer(b"".join(spoken), np.int16)[: told["audio_end_ms"] * 24]
                errors.append(last_loud_ms(sent, 24000) - heard_ms(caller.packets))
                await asyncio.sleep(0.1)
    print(f"\nbarge-in, {rounds} times")
    middle = statistics.median(times)
    print(f"  speech_started to the last packet of speech, ms: median {middle:.1f}, most {max(times):.1f}")
    print(f"  audio_end_ms less what the packets held, ms: from {min(errors):.1f} to {max(errors):.1f}")


async def everything(calls: int, seconds: float) -> None:
    await barge_in(10)
    await load(calls, seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--dsp", action="store_true", help="the kernels alone")
    options = parser.parse_args()
    kernels()
    if options.dsp:
        return
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(everything(options.calls, options.seconds))


if __name__ == "__main__":
    main()
