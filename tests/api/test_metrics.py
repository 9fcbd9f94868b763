from types import SimpleNamespace as Thing
from typing import ClassVar

from gateway.api.metrics import Metrics
from gateway.records import CallEvent
from gateway.sip import Trunk
from gateway.sip.trunks import Trunks


class Board(list):
    clock = Thing(frames=7, late=1, missed=0, worst=0.006)
    ports = range(3)
    providers: ClassVar = {"acme": None, "other": None}
    health = Thing(is_down=lambda name: name == "other")
    user_agent = Thing(
        refused=2,
        registrations={"acme": Thing(problem="")},
        core=Thing(trunks=Trunks((Trunk("acme", ()),), refused=5, dropped=6)),
    )


class Writer(list):
    dropped = 4


def test_what_calls_tell_and_what_is_read_at_the_scrape():
    gateway = Thing(switchboard=Board([1, 2]), store=Thing(writer=Writer("abc"), available=True), problems=[])
    metrics = Metrics(gateway)
    metrics.tell(CallEvent("c", 1.0, "answered"), {"direction": "inbound", "started_at": 1.0, "answered_at": 1.3})
    metrics.tell(CallEvent("o", 1.0, "answered"), {"direction": "outbound", "started_at": 1.0, "answered_at": 9.0})
    record = {"outcome": "transferred", "answered_at": 1.3, "ended_at": 21.3}
    metrics.tell(CallEvent("c", 2.0, "ended"), record)
    metrics.tell(CallEvent("d", 2.0, "ended"), {"outcome": "no_route"})
    text = metrics.text().decode()
    for line in (
        'gateway_calls_total{outcome="transferred"} 1.0', 'gateway_calls_total{outcome="no_route"} 1.0',
        'gateway_call_events_total{type="answered"} 2.0', "gateway_setup_seconds_count 1.0",
        'gateway_call_seconds_bucket{le="30.0"} 1.0', "gateway_calls_live 2.0", "gateway_store_waiting 3.0",
        "gateway_media_ports_free 3.0", "gateway_sip_refused_messages_total 2.0", "gateway_store_dropped_total 4.0",
        "gateway_ready 1.0", 'gateway_trunk_calls_live{trunk="acme"} 0.0',
        'gateway_sip_strangers_total{what="dropped"} 6.0', 'gateway_trunk_registered{trunk="acme"} 1.0',
        "gateway_media_worst_tick_seconds 0.006", 'gateway_provider_down{provider="other"} 1.0',
        'gateway_provider_down{provider="acme"} 0.0',
    ):  # fmt: skip
        assert line in text
