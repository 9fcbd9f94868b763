"""What the demo tells over HTTP, and its last words."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.gatewayd import needs_ears

pytestmark = pytest.mark.e2e


@needs_ears
def test_health_readiness_metrics_and_calls(demo):
    assert demo.get("/health")[1]["status"] == "ok"
    status, ready = demo.get("/ready")
    assert (status, ready["ready"], ready["problems"]) == (200, True, [])
    status, metrics = demo.get("/metrics")
    assert status == 200
    for name in ("gateway_calls_live", "gateway_store_available 1.0", "gateway_media_late_frames_total"):
        assert name in metrics
    assert demo.get("/v1/calls")[1]["object"] == "list"
    assert demo.get("/v1/calls/nobody")[0] == 404
    assert demo.get("/v1/calls?limit=0")[0] == 422


def test_it_says_what_to_do_next(demo):
    log = demo.log.read_text()
    assert f"phone sip:reception@127.0.0.1:{demo.sip_port} --say" in " ".join(log.split())
    assert "softphone" in log
    lines = [line for line in log.splitlines() if " phone sip:" in line]
    assert len(lines) == 2
    for line in lines:  # as it stands, from wherever one is
        words = shlex.split(line)
        assert Path(words[0]).is_file() or words[0] == "gateway"
        assert f"http://127.0.0.1:{demo.http_port}" == words[words.index("--url") + 1]
