import os

import orjson
import pytest

from gateway.delivery import RecordFile
from gateway.retention import DAY, Retention, is_of, plain

IDS = [f"call_{number:016x}" for number in range(4)]
NOW = 100 * DAY


@pytest.fixture
def disk(tmp_path):
    """Four calls, ten days apart, the last one today: recordings, records, and what is somebody else's."""
    folder, file = tmp_path / "tapes", RecordFile(tmp_path / "calls.jsonl")
    folder.mkdir()
    for number, call_id in enumerate(IDS):
        ended = NOW - 10 * DAY * (3 - number)
        caller = "sip:+15550100@h" if number == 1 else f"sip:{number}@h"
        file.write({"call_id": call_id, "ended_at": ended, "caller": caller, "called": "sip:desk@h"})
        for name in (f"{call_id}.wav", f"{call_id}-2.wav"):
            (folder / name).write_bytes(b"RIFF")
            os.utime(folder / name, (ended, ended))
    for other in ("music.wav", "call_x.wav", f"{IDS[0]}.txt"):
        (folder / other).write_bytes(b"")
        os.utime(folder / other, (0, 0))
    file._thread.submit(int).result()  # all of it is written
    yield folder, file, tmp_path / "calls.jsonl"
    file.close()


def kept(folder, path):
    tapes = {one.name[:21] for one in folder.glob("call_0*.wav")}
    lines = [orjson.loads(line)["call_id"] for line in path.read_bytes().splitlines()]
    return sorted(tapes), lines


async def test_what_is_too_old_goes(disk):
    folder, file, path = disk
    asked = []

    async def elsewhere(seconds):
        asked.append(seconds)

    await Retention(folder, 15, file, 25, elsewhere).expire(NOW)
    assert kept(folder, path) == (IDS[2:], IDS[1:])
    assert asked == [25 * DAY]
    assert {one.name for one in folder.iterdir()} >= {"music.wav", "call_x.wav", f"{IDS[0]}.txt"}
    await Retention(folder, 0, file, 0).expire(10 * NOW)
    assert kept(folder, path) == (IDS[2:], IDS[1:])


async def test_what_was_asked_for_goes_and_nothing_else(disk):
    folder, file, path = disk
    with path.open("ab") as more:
        more.write(b"not json\n")
    retention = Retention(folder, 0, file, 0)
    assert await retention.erase([IDS[3], "call_../../x"]) == [IDS[3]]
    assert await retention.erase([], "+1 (555) 01-00") == [IDS[1]]
    assert path.read_bytes().endswith(b"not json\n")
    path.write_bytes(path.read_bytes().replace(b"not json\n", b""))
    assert kept(folder, path) == ([IDS[0], IDS[2]], [IDS[0], IDS[2]])
    assert retention.erased == 6  # two lines, four recordings
    assert await Retention(None, 0, None, 0).erase([IDS[0]]) == []


async def test_a_file_that_cannot_be_written_anew_keeps_all(disk, monkeypatch):
    folder, file, path = disk
    before = path.read_bytes()
    (path.parent / "calls.jsonl.kept").mkdir()
    with pytest.raises(OSError):  # noqa: PT011
        await Retention(folder, 0, file, 0).erase([IDS[0]])
    assert path.read_bytes() == before


def test_numbers_as_people_write_them():
    assert plain("+49 (30) 12-34") == plain("0049301234") == plain("49301234") == "49301234"
    assert plain("Ann") == "ann"
    assert is_of({"called": "tel:+49301234"}, "0049 30 1234")
    assert not is_of({"called": "tel:+493012345", "caller": "sip:x@49301234"}, "+49301234")
    assert not is_of({"caller": "sip:@h"}, "")
