"""`make fuzz`: every target under atheris, then mutated messages over UDP and TCP to a gateway that runs.

It begins with tests/fuzz/corpus/TARGET, which `test_corpus.py` plays back too. What it finds is left in .fuzz/TARGET,
an input that fails in .fuzz/TARGET-crash-*; what is worth keeping is moved by hand.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent / "corpus"
FOUND = Path(".fuzz")
NAMES = ("message", "core", "stream", "sdp", "rtp")


def fuzz(target: str, seconds: int) -> int:
    """In a process of its own, for libFuzzer ends it."""
    command = [sys.executable, "-m", "tests.fuzz", "--only", target, "--seconds", str(seconds)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, errors="replace")
    print(f"{target}: {'well' if done.returncode == 0 else done.stdout[-500:] + done.stderr[-3000:]}", flush=True)
    return done.returncode


def under_atheris(target: str, seconds: int) -> None:
    import atheris

    (FOUND / target).mkdir(parents=True, exist_ok=True)
    with atheris.instrument_imports(include=["gateway"], enable_loader_override=False):
        from tests.fuzz.targets import TARGETS
    options = [
        f"-max_total_time={seconds}", "-max_len=4096", "-timeout=10", "-print_final_stats=0", "-verbosity=0",
        f"-artifact_prefix={FOUND}/{target}-",
    ]  # fmt: skip
    atheris.Setup([sys.argv[0], *options, str(FOUND / target), str(FOLDER / target)], TARGETS[target])
    atheris.Fuzz()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=30, help="for each target")
    parser.add_argument("--messages", type=int, default=100_000, help="over the wire")
    parser.add_argument("--only", choices=NAMES)
    given = parser.parse_args()
    if given.only:
        under_atheris(given.only, given.seconds)
        return
    try:
        import atheris  # noqa: F401
    except ImportError:
        sys.exit("atheris is not installed: .venv/bin/pip install -e '.[fuzz]' (wheels: CPython 3.11 to 3.13)")
    failed = [target for target in NAMES if fuzz(target, given.seconds)]
    from tests.fuzz import wire

    if problem := wire.run(given.messages):
        failed.append(f"wire: {problem}")
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
