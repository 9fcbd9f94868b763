import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace as Thing

import pytest

from gateway.api.metrics import Metrics
from gateway.bridge.media.latency_stats import DelayHistogram
from gateway.events import CallEvent
from gateway.sip import Trunk
from gateway.sip.trunk.trunks import Trunks

ROOT = Path(__file__).parent.parent.parent


def with_bans(trunks):
    trunks.bans.refused, trunks.bans.dropped = 5, 6
    return trunks


class Board(list):
    draining, leaked = False, 9
    hours_now = staticmethod(lambda: {"office": True, "shop": False})
    resources = Thing(
        uplink_delays=DelayHistogram(),
        clock=Thing(frames=7, late=1, missed=0, worst=0.006),
        ports=range(3),
        providers={"acme": None, "other": None},
        health=Thing(is_down=lambda name: name == "other", refused={"other": "no key"}),
    )
    user_agent = Thing(
        refused=2,
        registrations={"acme": Thing(problem="")},
        health={"acme": Thing(servers={"udp:192.0.2.7:5060": Thing(up=False), "udp:192.0.2.8:5060": Thing(up=None)})},
        core=Thing(trunks=with_bans(Trunks((Trunk("acme", ()),)))),
    )


class Writer(list):
    dropped = 4


def scraped():
    gateway = Thing(
        switchboard=Board([1, 2]),
        store=Thing(writer=Writer("abc"), available=True, watch=[1]),
        control=Thing(closed_for_others=3, stale=1, waiting=8, dead=2),
        courier=Thing(leading=True, delivered=5, failed=4, given_up=2, dropped=1),
        watchdog=Thing(seconds=2.5),
        blocked_by={"lookup": 1.5},
        retention=Thing(erased=6),
        voicemail=Thing(received=4, mailed=3, mail_failed=1, transcripts_failed=2),
        problems=[],
        certificate_days={"sbc.pem": 20.5},
    )
    metrics = Metrics(gateway)
    metrics.tell(CallEvent("c", 1.0, "answered"), {"direction": "inbound", "started_at": 1.0, "answered_at": 1.3})
    metrics.tell(CallEvent("o", 1.0, "answered"), {"direction": "outbound", "started_at": 1.0, "answered_at": 9.0})
    media = {"received_packets": 99, "lost": 1, "jitter_ms": 4.0, "mos": 4.2, "silence_ms": [3.0]}
    record = {"outcome": "transferred", "answered_at": 1.3, "ended_at": 21.3, "answer_ms": [250, 900], "media": media}
    metrics.tell(CallEvent("c", 2.0, "ended"), record)
    metrics.tell(CallEvent("d", 2.0, "ended"), {"outcome": "no_route"})
    return metrics.text().decode()


def test_what_calls_tell_and_what_is_read_at_the_scrape():
    text = scraped()
    for line in (
        'gateway_calls_total{outcome="transferred"} 1.0', 'gateway_calls_total{outcome="no_route"} 1.0',
        'gateway_call_events_total{type="answered"} 2.0', "gateway_setup_seconds_count 1.0",
        'gateway_call_seconds_bucket{le="30.0"} 1.0', "gateway_calls_live 2.0", "gateway_store_waiting 3.0",
        "gateway_media_ports_free 3.0", "gateway_sip_refused_messages_total 2.0", "gateway_store_dropped_total 4.0",
        "gateway_leaked_total 9.0",
        "gateway_loop_blocked_seconds_total 2.5", 'gateway_tool_blocked_seconds_total{tool="lookup"} 1.5',
        'gateway_deliveries_total{result="dropped"} 1.0',

        "gateway_ready 1.0", 'gateway_trunk_calls_live{trunk="acme"} 0.0',
        'gateway_sip_unknown_peers_total{what="dropped"} 6.0', 'gateway_trunk_registered{trunk="acme"} 1.0',
        "gateway_media_worst_tick_seconds 0.006", 'gateway_provider_down{provider="other"} 1.0',
        'gateway_provider_down{provider="acme"} 0.0', 'gateway_answer_seconds_bucket{le="0.3"} 1.0',
        'gateway_call_loss_ratio_bucket{le="0.01"} 1.0', "gateway_calls_closed_for_others_total 3.0",
        "gateway_calls_stale_total 1.0", 'gateway_deliveries_total{result="given_up"} 2.0',
        "gateway_outbox_waiting 8.0",
        'gateway_silence_seconds_bucket{le="0.005"} 1.0', 'gateway_uplink_seconds_bucket{le="+Inf"} 0.0',
        "gateway_watchers 1.0", "gateway_draining 0.0", "gateway_erased_total 6.0",
        'gateway_provider_refused{provider="other"} 1.0', 'gateway_hours_open{hours="shop"} 0.0',
        "gateway_voicemails_total 4.0", "gateway_voicemail_mails_failed_total 1.0",
    ):  # fmt: skip
        assert line in text


def test_dashboards_and_alerts_name_metrics_that_there_are():
    known = set(re.findall(r"^# HELP (\w+)", scraped(), re.MULTILINE))
    known |= {f"{name}_bucket" for name in known}
    for file in ("deploy/grafana.json", "deploy/alerts.yml"):
        named = set(re.findall(r"\bgateway_\w+", (ROOT / file).read_text()))
        assert len(named) > 10
        assert named <= known, (file, named - known)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_prometheus_takes_the_alerts():
    done = subprocess.run(["promtool", "check", "rules", ROOT / "deploy/alerts.yml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
