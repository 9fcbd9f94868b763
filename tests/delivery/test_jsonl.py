import orjson

from gateway.delivery.jsonl import RecordFile
from gateway.events import CallEvent


def test_a_line_for_each_call_that_ended(tmp_path):
    file = RecordFile(tmp_path / "deep" / "calls.jsonl")
    for call_id in ("a", "b"):
        for number, (kind, data) in enumerate((
            ("answered", {}), ("transcript", {"role": "user", "text": "hi"}), ("tool_call", {"name": "x"}),
            ("transfer_started", {"target": "billing"}), ("recording_started", {"file": "a.wav"}),
            ("provider_restored", {"provider": "p"}), ("ended", {"outcome": "transferred"}),
        )):  # fmt: skip
            file.tell(CallEvent(call_id, float(number), kind, data), {"call_id": call_id, "outcome": "transferred"})
    file.close()
    lines = [orjson.loads(line) for line in (tmp_path / "deep" / "calls.jsonl").read_bytes().splitlines()]
    assert [line["call_id"] for line in lines] == ["a", "b"]
    line = lines[0]
    assert line["transcript"] == [{"at": 1.0, "role": "user", "text": "hi"}]
    assert line["tools"] == [{"name": "x", "at": 2.0}]
    assert line["transfers"] == [{"target": "billing", "at": 3.0, "event": "transfer_started"}]
    assert line["recordings"] == ["a.wav"]
    assert line["providers_over_time"] == [{"provider": "p", "at": 5.0, "event": "provider_restored"}]
    assert len(line["events"]) == 7


def test_a_file_that_cannot_be_written_is_told_and_costs_no_call(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    file = RecordFile(tmp_path / "file" / "calls.jsonl")
    file.tell(CallEvent("a", 1.0, "ended", {}), {"call_id": "a"})
    file.close()
    assert "records.not_written" in capsys.readouterr().out
