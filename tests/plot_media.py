"""CPU and delay over calls: `python -m tests.plot_media ROWS.json PICTURE.png`, of what `bench_media --json` kept."""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import orjson


def main() -> None:
    rows = orjson.loads(Path(sys.argv[1]).read_bytes())
    calls = [row["calls"] for row in rows]
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
    left.plot(calls, [row["gateway"] for row in rows], "o-", color="tab:blue", label="the gateway, of one core")
    left.plot([0, calls[-1]], [0, 0.25 * calls[-1]], ":", color="gray", label="0.25 % a call")
    left.set(title="CPU", xlabel="calls", ylabel="% of a core", xlim=(0, None), ylim=(0, 105))
    for name, label, colour in (
        ("up", "packet in to WebSocket out", "tab:blue"),
        ("down", "delta in to first packet out", "tab:orange"),
        ("barge_in", "speech_started to the last old packet", "tab:green"),
    ):
        right.plot(calls, [row[name][1] for row in rows], "o-", color=colour, label=f"{label}, p99")
        right.plot(calls, [row[name][0] for row in rows], ".--", color=colour, alpha=0.5, label="p50")
    right.set(title="added delay", xlabel="calls", ylabel="ms", xlim=(0, None), ylim=(0, None))
    for axes in (left, right):
        axes.legend(fontsize=8)
        axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(sys.argv[2], dpi=110)


if __name__ == "__main__":
    main()
