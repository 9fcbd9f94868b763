"""What Prometheus scrapes: counters fed by the calls' events, gauges read at the scrape."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from gateway import events
from gateway.app import Gateway
from gateway.bridge.media.latency_stats import BUCKETS
from gateway.events import CallEvent


class Metrics:
    """One registry for one gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._registry = CollectorRegistry()
        self._registry.register(self)
        counted: dict[str, Any] = {"registry": self._registry}
        self._ended = Counter("gateway_calls", "Calls that have ended", ["outcome"], **counted)
        self._events = Counter("gateway_call_events", "What happened in calls", ["type"], **counted)
        self._setup = Histogram(
            "gateway_setup_seconds", "From INVITE to 200", buckets=(0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10), **counted
        )
        self._mos = Histogram(
            "gateway_call_mos", "Estimate of how the caller sounded", buckets=(1.5, 2, 2.5, 3, 3.5, 4, 4.3), **counted
        )
        self._round_trip = Histogram(
            "gateway_round_trip_seconds",
            "To the peer and back, by RTCP",
            buckets=(0.01, 0.05, 0.1, 0.2, 0.5, 1),
            **counted,
        )
        self._answer = Histogram(
            "gateway_answer_seconds",
            "From the end of the caller's turn, as the provider tells it, to the first audio of the answer",
            buckets=(0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5),
            **counted,
        )
        short = {"buckets": BUCKETS, **counted}
        self._first_word = Histogram(
            "gateway_first_word_seconds", "From the first delta of an answer to its first packet", **short
        )
        self._silence = Histogram(
            "gateway_silence_seconds", "From an interruption to the last packet of the old words", **short
        )
        self._loss = Histogram(
            "gateway_call_loss_ratio",
            "Packets of the caller that were lost",
            buckets=(0.001, 0.01, 0.03, 0.1),
            **counted,
        )
        self._jitter = Histogram(
            "gateway_call_jitter_seconds", "Of the caller's packets", buckets=(0.002, 0.005, 0.01, 0.03, 0.1), **counted
        )
        self._echoes = Counter("gateway_echo_calls", "Calls whose line sent the agent's words back", **counted)
        self._underruns = Counter("gateway_underruns", "Pauses that the provider made within what it said", **counted)
        self._duration = Histogram(
            "gateway_call_seconds", "From 200 to the end", buckets=(5, 15, 30, 60, 120, 300, 600, 1800, 3600), **counted
        )

    def tell(self, event: CallEvent, record: dict[str, Any]) -> None:
        self._events.labels(event.type).inc()
        if event.type == events.Answered.type and record.get("direction") == "inbound":  # else it is how long it rang
            self._setup.observe(record["answered_at"] - record["started_at"])
        elif event.type == events.Ended.type:
            self._ended.labels(record["outcome"]).inc()
            self._underruns.inc(record.get("underruns", 0))
            media = record.get("media", {})
            self._echoes.inc("echo" in media)
            for histogram, name in ((self._first_word, "first_word_ms"), (self._silence, "silence_ms")):
                for ms in media.get(name, ()):
                    histogram.observe(ms / 1000)
            for ms in record.get("answer_ms", ()):
                self._answer.observe(ms / 1000)
            if received := media.get("received_packets"):
                self._loss.observe(media.get("lost", 0) / (received + media.get("lost", 0)))
                self._jitter.observe(media.get("jitter_ms", 0.0) / 1000)
            if "mos" in media:
                self._mos.observe(media["mos"])
            if "round_trip_ms" in media:
                self._round_trip.observe(media["round_trip_ms"] / 1000)
            if record.get("answered_at"):
                self._duration.observe(record["ended_at"] - record["answered_at"])

    def collect(self) -> Iterator[Metric]:
        """Called at the scrape."""
        switchboard, writer = self._gateway.switchboard, self._gateway.store.writer
        clock = switchboard.resources.clock
        yield GaugeMetricFamily("gateway_calls_live", "Calls in progress", value=len(switchboard))
        yield GaugeMetricFamily(
            "gateway_media_ports_free", "RTP ports that can be lent", value=len(switchboard.resources.ports)
        )
        yield GaugeMetricFamily("gateway_ready", "1 when calls may be sent here", value=not self._gateway.problems)
        yield GaugeMetricFamily("gateway_store_available", "1 when Redis answers", value=self._gateway.store.available)
        yield GaugeMetricFamily("gateway_store_waiting", "Writes that wait for Redis", value=len(writer))
        yield CounterMetricFamily("gateway_store_dropped", "Writes that were given up", value=writer.dropped)
        yield CounterMetricFamily(
            "gateway_sip_refused_messages", "SIP that could not be read", value=switchboard.user_agent.refused
        )
        yield CounterMetricFamily(
            "gateway_leaked", "Calls, ports and sessions that nobody had any more, closed", value=switchboard.leaked
        )
        watchdog = self._gateway.watchdog
        yield CounterMetricFamily(
            "gateway_loop_blocked_seconds", "That the loop stood still, and with it all calls", value=watchdog.seconds
        )
        by_tool = CounterMetricFamily(
            "gateway_tool_blocked_seconds", "That a tool kept the loop from its work", labels=["tool"]
        )
        for tool, seconds in self._gateway.blocked_by.items():
            by_tool.add_metric([tool], seconds)
        yield by_tool
        control, courier = self._gateway.control, self._gateway.courier
        closed = "Calls of nodes that died, closed by this one"
        yield CounterMetricFamily("gateway_calls_closed_for_others", closed, value=control.closed_for_others)
        yield CounterMetricFamily(
            "gateway_calls_stale", "Calls that were listed as live five minutes after their end", value=control.stale
        )
        yield GaugeMetricFamily("gateway_watchers", "Who follows events live", value=len(self._gateway.store.watch))
        yield GaugeMetricFamily("gateway_draining", "1 while no new calls are taken", value=switchboard.draining)
        if courier:
            yield GaugeMetricFamily("gateway_courier_leading", "1 where this node delivers", value=courier.leading)
            told = CounterMetricFamily(
                "gateway_deliveries", "Webhooks and records by what became of them", labels=["result"]
            )
            for result in ("delivered", "failed", "given_up", "dropped"):
                told.add_metric([result], getattr(courier, result))
            yield told
            yield GaugeMetricFamily(
                "gateway_outbox_waiting", "What waits to be delivered, of all nodes", value=control.waiting
            )
            yield GaugeMetricFamily("gateway_outbox_dead", "Given up, of all nodes", value=control.dead)
        trunks = switchboard.user_agent.core.trunks
        live = GaugeMetricFamily("gateway_trunk_calls_live", "Calls in progress by trunk", labels=["trunk"])
        for trunk in trunks.trunks:
            live.add_metric([trunk.name], trunks.calls(trunk))
        yield live
        registered = GaugeMetricFamily("gateway_trunk_registered", "1 while registered", labels=["trunk"])
        for name, registration in switchboard.user_agent.registrations.items():
            registered.add_metric([name], not registration.problem)
        yield registered
        servers = GaugeMetricFamily(
            "gateway_trunk_server_up", "1 while it answers OPTIONS, of trunks that ask", labels=["trunk", "server"]
        )
        for name, health in switchboard.user_agent.health.items():
            for server, one in health.servers.items():
                if one.up is not None:
                    servers.add_metric([name, server], one.up)
        yield servers
        certificates = GaugeMetricFamily(
            "gateway_certificate_days_left", "Until a certificate that we show ends", labels=["file"]
        )
        for path, days in self._gateway.certificate_days.items():
            certificates.add_metric([path], days)
        yield certificates
        wrong = GaugeMetricFamily(
            "gateway_trunk_problems", "What else is wrong with a trunk: see /v1/trunks", labels=["trunk"]
        )
        for trunk in trunks.trunks:
            wrong.add_metric([trunk.name], sum(name == trunk.name for name, _ in trunks.problems))
        yield wrong
        down = GaugeMetricFamily(
            "gateway_provider_down", "1 while it is asked last, for it failed", labels=["provider"]
        )
        for name in switchboard.resources.providers:
            down.add_metric([name], switchboard.resources.health.is_down(name))
        yield down
        refused = GaugeMetricFamily(
            "gateway_provider_refused",
            "1 while it says no to all: to the key, or for lack of money",
            labels=["provider"],
        )
        for name in switchboard.resources.providers:
            refused.add_metric([name], name in switchboard.resources.health.refused)
        yield refused
        yield CounterMetricFamily(
            "gateway_erased",
            "Recordings and lines of records that were erased here",
            value=self._gateway.retention.erased,
        )
        open_ = GaugeMetricFamily("gateway_hours_open", "1 while a calendar is open", labels=["hours"])
        for name, is_open in switchboard.hours_now().items():
            open_.add_metric([name], is_open)
        yield open_
        desk = self._gateway.voicemail
        for name, what, value in (
            ("gateway_voicemails", "Messages that callers left here", desk.received),
            ("gateway_voicemail_mails", "Messages that were mailed", desk.mailed),
            ("gateway_voicemail_mails_failed", "Messages whose mail was given up", desk.mail_failed),
            ("gateway_voicemail_transcripts_failed", "Messages of which no words were got", desk.transcripts_failed),
        ):
            yield CounterMetricFamily(name, what, value=value)
        unknown_peers = CounterMetricFamily(
            "gateway_sip_unknown_peers", "Requests from addresses of no trunk", labels=["what"]
        )
        unknown_peers.add_metric(["refused"], trunks.bans.refused)
        unknown_peers.add_metric(["dropped"], trunks.bans.dropped)
        yield unknown_peers
        yield CounterMetricFamily("gateway_media_frames", "Frames of 20 ms that were due", value=clock.frames)
        late = CounterMetricFamily("gateway_media_late_frames", "Frames that left later than so many ms", labels=["ms"])
        late.add_metric(["5"], clock.late)
        late.add_metric(["20"], clock.missed)
        yield late
        yield HistogramMetricFamily(
            "gateway_uplink_seconds",
            "From the first packet of a batch to the last WebSocket that it went to",
            buckets=switchboard.resources.uplink_delays.cumulative(),
            sum_value=switchboard.resources.uplink_delays.total,
        )
        yield GaugeMetricFamily("gateway_media_worst_tick_seconds", "The latest tick so far", value=clock.worst)

    def text(self) -> bytes:
        return generate_latest(self._registry)
