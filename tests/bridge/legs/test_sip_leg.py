"""Offer and answer become media, and frames become packets; over a core on a fake clock and RTP that is noted."""

import numpy as np
import pytest

from gateway.bridge.call.leg import LegEvents
from gateway.bridge.legs.sip_leg import SipLeg
from gateway.bridge.media.batch_render import render
from gateway.bridge.media.batch_upsample import BatchUpsample
from gateway.bridge.media.caller_audio import CallerAudio
from gateway.bridge.media.fill_audio import FillAudio
from gateway.codecs import CODECS, KeyDetector, g711, hold_tune
from gateway.errors import NoCommonCodec, SdpError
from gateway.sip import OutgoingInvite, Reoffered, Trunk, Uri, parse_sdp
from tests.wire import OFFER, Wire, calling, request, response

BOTH = (CODECS["PCMU"], CODECS["PCMA"])


class Rtp:
    port = 20000

    def __init__(self):
        self.frames, self.agreed = [], None

    srtp = None

    def update(self, stream):
        self.srtp, self.stream = stream.srtp, stream
        self.agreed = (stream.payload_type, stream.dtmf_payload_type, stream.remote, stream.sending)

    def send(self, payload, talking):
        self.frames.append((payload, talking))

    waiting, quiet_seconds = False, 1000.0

    def use(self, payload_type):
        self.using = payload_type

    def expire(self):
        pass

    def close(self):
        pass

    def stats(self):
        return {"lost": 0}


class Agent:
    """A user agent whose wire is a fake."""

    def media_host(self, flow):
        return flow.local[0]

    def __init__(self):
        self.wire = Wire()

    def act(self, verb):
        found = []
        self.sent = self.wire.act(lambda now: found.append(verb(now)))
        return found[0]


def leg_for(offer=OFFER, codecs=BOTH):
    agent, chunks = Agent(), []
    agent.wire.receive(request(body=offer))
    leg = SipLeg(agent, codecs, CallerAudio(codecs[0].sound, 20, chunks.append, BatchUpsample(BatchUpsample.flush)))
    leg.rtp = Rtp()
    leg.take(agent.wire.events[0].session)
    leg.chunks, leg.agent, leg.listen_early = chunks, agent, True
    return leg


def test_the_answer_goes_out_with_the_200_and_media_with_it():
    leg = leg_for()
    leg.answer()
    (ok,) = leg.agent.sent
    assert parse_sdp(ok.body).media[0].formats == ["0", "101"]
    assert leg.rtp.agreed == (0, 101, ("192.0.2.10", 4000), True)
    assert leg.stats() == {"codec": "PCMU", "lost": 0}


def test_an_offer_that_does_not_fit_is_told_before_anything_is_spent():
    with pytest.raises(NoCommonCodec):
        leg_for(OFFER.replace(b"RTP/AVP 0 8", b"RTP/AVP 18"))
    with pytest.raises(SdpError):
        leg_for(b"v=0\r\nm=audio\r\n")


def test_a_delayed_offer_is_ours_and_the_ack_has_the_answer():
    leg = leg_for(b"")
    leg.answer()
    assert parse_sdp(leg.agent.sent[0].body).media[0].formats == ["0", "8", "101"]
    assert leg.rtp.agreed is None
    leg.take_answer(OFFER.replace(b"AVP 0 8", b"AVP 8"))
    assert leg.rtp.agreed[0] == 8
    assert leg.sound is g711.ALAW
    with pytest.raises(SdpError, match="no answer"):
        leg_for(b"").take_answer(b"")


def reoffer(leg, body):
    wire, session = leg.agent.wire, leg.session
    tag = session.dialog.local.tag
    cseq = session.dialog.remote_seq + 1
    wire.receive(request("ACK", cseq=cseq - 1, branch=f"z9hG4bKa{cseq}", to_tag=tag))
    wire.receive(request(cseq=cseq, branch=f"z9hG4bKr{cseq}", to_tag=tag, body=body))
    event = wire.events[-1]
    assert isinstance(event, Reoffered)
    leg.reoffered(event)
    return leg.agent.sent[0].body


def test_a_reinvite_moves_media_holds_it_and_counts_changes():
    leg = leg_for()
    leg.answer()
    first = leg.agent.sent[0].body
    assert reoffer(leg, OFFER) == first  # nothing has changed, so the version has not
    held = reoffer(leg, OFFER + b"a=sendonly\r\n")
    assert b" 2 IN IP4" in held
    assert b"a=recvonly" in held
    assert leg.rtp.agreed[3] is False
    moved = reoffer(leg, OFFER.replace(b"192.0.2.10", b"192.0.2.99").replace(b"AVP 0 8", b"AVP 8 0"))
    assert b" 3 IN IP4" in moved
    assert leg.rtp.agreed == (8, 101, ("192.0.2.99", 4000), True)


def test_a_reinvite_without_an_offer_gets_ours_and_its_ack_answers():
    leg = leg_for()
    leg.answer()
    offer = reoffer(leg, b"")
    assert parse_sdp(offer).media[0].formats == ["0", "8", "101"]
    assert b" 2 IN IP4" in offer
    assert leg.rtp.agreed == (0, 101, ("192.0.2.10", 4000), True)
    leg.reanswered(OFFER.replace(b"AVP 0 8", b"AVP 8").replace(b"192.0.2.10", b"192.0.2.77"))
    assert leg.rtp.agreed == (8, 101, ("192.0.2.77", 4000), True)


def test_a_reinvite_that_does_not_fit_changes_nothing():
    leg = leg_for()
    leg.answer()
    before = leg.rtp.agreed
    with pytest.raises(NoCommonCodec):
        reoffer(leg, OFFER.replace(b"AVP 0 8", b"AVP 18"))
    assert leg.rtp.agreed == before


def test_the_end_of_speech_is_told_once():
    leg, told = leg_for(), []
    leg.events = LegEvents(
        digit=told.append, drained=lambda: told.append("drained"), held=print, spoke=print, broken=print
    )
    leg.answer()
    leg.play("item", 0, bytes(960 * 3))
    assert not leg.silent
    for _ in range(10):
        render([leg])
    leg.digit("5")
    assert told == ["drained", "5"]
    assert leg.silent


def test_a_line_that_went_dead_is_told_once_and_a_held_one_is_not():
    leg, told, held = leg_for(), [], []
    broken = lambda *what: told.append(what)  # noqa: E731
    leg.events = LegEvents(digit=told.append, drained=lambda: None, held=held.append, spoke=print, broken=broken)
    leg._timeout_ms = 1000
    leg.answer()
    reoffer(leg, OFFER + b"a=sendonly\r\n")
    for _ in range(200):
        render([leg])
    assert told == []
    leg.audio(b"\xff" * 160)
    reoffer(leg, OFFER)
    assert held == [True, False]
    for _ in range(200):
        render([leg])
    assert len(told) == 1
    assert "no RTP for 1 s: its SDP promised it from 192.0.2.10:4000" in told[0][1]


def test_while_deaf_the_agent_hears_silence_and_hold_goes_on_in_time():
    leg = leg_for()
    leg.answer()
    leg.mute_input(True)
    leg.audio(b"\x00" * 160)
    assert not any(leg.chunks[0])
    for _ in range(10):  # the caller's packets stop: held
        render([leg])
    assert len(leg.chunks) == 1 + 5


class Calling(Agent):
    """A user agent that makes a call on its fake wire."""

    def call(self, order, offer):
        self.invite = calling(self.wire, offer=offer)
        return self.wire.core._clients[self.invite.via.branch, "INVITE"]._sink


def calling_leg():
    agent, chunks = Calling(), []
    leg = SipLeg(
        agent,
        BOTH,
        CallerAudio(BOTH[0].sound, 20, chunks.append, BatchUpsample(BatchUpsample.flush)),
        fill_audio=FillAudio(hold_tune()),
    )
    leg.rtp, leg.agent, leg.chunks = Rtp(), agent, chunks
    leg.call(OutgoingInvite("5551234", Trunk("t", server=Uri.parse("sip:192.0.2.10"))))
    return leg


ANSWER = OFFER.replace(b"AVP 0 8 101", b"AVP 8 101")


def test_a_call_that_we_make_offers_and_takes_the_answer():
    leg = calling_leg()
    offered = parse_sdp(leg.agent.invite.body)
    assert (offered.connection, offered.media[0].formats) == ("192.0.2.1", ["0", "8", "101"])
    leg.answered(ANSWER)
    assert leg.rtp.agreed == (8, 101, ("192.0.2.10", 4000), True)


def test_an_answer_in_early_media_need_not_be_repeated():
    leg = calling_leg()
    with pytest.raises(SdpError, match="no answer"):
        leg.answered(b"")
    leg.answered(ANSWER)
    leg.answered(b"")
    assert leg.rtp.agreed[0] == 8


def confirmed_leg():
    leg = calling_leg()
    leg.agent.wire.receive(response(leg.agent.invite, 200, body=ANSWER))
    leg.answered(ANSWER)
    return leg


def hold_offer(leg):
    """The re-INVITE that was sent last, and its direction."""
    invites = [one.message for one in leg.agent.wire.sent if getattr(one.message, "method", "") == "INVITE"]
    text = invites[-1].body.decode()
    return invites[-1], text.rsplit("a=", 1)[1].strip()


def test_hold_and_resume_tell_the_peer_and_play_music():
    leg = confirmed_leg()
    leg.hold(True)
    invite, direction = hold_offer(leg)
    assert direction == "sendonly"
    assert parse_sdp(invite.body).media[0].formats == ["8", "101"]  # no change of codec on the way
    leg.hold(False)  # before the answer has come: told when it has
    assert hold_offer(leg)[0] is invite
    wire = leg.agent.wire
    wire.receive(response(invite, 200, leg.session.dialog.remote.tag, ANSWER + b"a=recvonly\r\n"))
    leg.reanswered(ANSWER + b"a=recvonly\r\n")
    assert hold_offer(leg)[1] == "sendrecv"
    leg.hold(True)
    render([leg] * 50)
    assert any(payload.strip(b"\xd5\x55") for payload, _ in leg.rtp.frames)
    assert not any(talking for _, talking in leg.rtp.frames)


def test_two_parties_hear_each_other_and_late_speech_is_not_piled_up():
    one, other = leg_for(), confirmed_leg()  # mu-law and A-law
    one.answer()
    one.join(other)
    tone = (8000 * np.sin(np.arange(1600) / 5)).astype(np.int16)
    for at in range(0, 1600, 160):
        one.audio(g711.encode(g711.ULAW, tone[at : at + 160]).tobytes())
    render([other] * 3)  # of ten frames the latest two are kept
    assert [bool(payload.strip(b"\xd5")) for payload, _ in other.rtp.frames] == [True, True, False]
    heard = g711.decode(g711.ALAW, np.frombuffer(other.rtp.frames[0][0], np.uint8))
    assert np.abs(heard.astype(int)).max() > 7000
    render([one])
    assert one.rtp.frames[-1][0] == bytes([g711.ULAW.silence]) * 160
    assert one.chunks == []  # the agent hears nothing of it


def test_keys_go_by_telephone_event_and_by_info_where_there_is_none():
    leg = confirmed_leg()
    pressed = []
    leg.rtp.send_dtmf = pressed.append
    leg.send_digits("12")
    assert pressed == ["1", "2"]
    leg.answered(ANSWER.replace(b"AVP 8 101", b"AVP 8"))
    leg.send_digits("#")
    assert leg.agent.sent[-1].body.startswith(b"Signal=#")


def test_keys_within_the_audio_where_the_trunk_knows_no_other_way():
    agent = Agent()
    agent.wire.receive(request(body=OFFER))
    caller_audio = CallerAudio(BOTH[0].sound, 20, lambda chunk: None, BatchUpsample(BatchUpsample.flush))
    leg = SipLeg(agent, BOTH, caller_audio, Trunk("old", dtmf="inband"))
    leg.rtp, keys, leg.listen_early = Rtp(), [], True
    leg.events = LegEvents(digit=keys.append, drained=lambda: None, held=print, spoke=print, broken=lambda *what: None)
    leg.take(agent.wire.events[0].session)
    leg.answer()
    leg.play("item", 0, b"\1\0" * 480)
    leg.send_digits("4d")
    for _ in range(40):
        render([leg])
    assert leg.silent
    assert agent.sent[0].status == 200  # and no INFO
    other = KeyDetector()
    heard = "".join(other.push(g711.decode(g711.ULAW, np.frombuffer(one, np.uint8)))[0] for one, _ in leg.rtp.frames)
    assert heard == "4D"
    for payload, _ in leg.rtp.frames:
        leg.audio(payload)
    assert "".join(keys) == heard
    leg.use_trunk(Trunk("new"), BOTH, "off", 20)  # whose telephones tell keys beside the audio: not twice
    for payload, _ in leg.rtp.frames:
        leg.audio(payload)
    assert "".join(keys) == heard


def test_packets_are_as_long_as_the_peer_wants_them():
    leg = leg_for(OFFER.replace(b"a=ptime:20", b"a=ptime:40"))
    leg.answer()
    assert leg.rtp.stream.packet_ms == 40


WIDE_OFFER = OFFER.replace(b"AVP 0 8", b"AVP 9")


def test_a_wide_party_and_a_narrow_one_that_are_joined():
    wide, narrow = leg_for(WIDE_OFFER, (CODECS["G722"], *BOTH)), leg_for()
    coder = CODECS["G722"].coder()
    hum = g711.ULAW.coded((8000 * np.sin(2 * np.pi * 500 * np.arange(160) / 8000)).astype(np.int16))
    for leg in (wide, narrow):
        leg.answer()
    wide.join(narrow)
    said = (8000 * np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)).astype("<i2").tobytes()
    for at in range(0, len(said), 640):
        payload = coder.encode(said[at : at + 640])
        assert len(payload) == 160
        wide.audio(payload)
        narrow.audio(hum)
        render([wide, narrow])
    for leg, decode, hz, rate in (
        (narrow, lambda codes: g711.ULAW.linear(codes), 1000, 8000),
        (wide, lambda codes: np.frombuffer(coder.decode(codes), "<i2"), 500, 16000),
    ):
        heard = np.concatenate([decode(payload) for payload, _ in leg.rtp.frames])[-rate // 2 :]
        assert np.abs(np.fft.rfft(heard * np.hanning(len(heard)))).argmax() * 2 == hz


def test_a_call_may_change_to_a_wide_band():
    leg = leg_for(codecs=(*BOTH, CODECS["G722"]))
    leg.answer()
    leg.audio(b"\xff" * 160)
    reoffer(leg, WIDE_OFFER)
    assert leg.stats()["codec"] == "G722"
    coder = CODECS["G722"].coder()
    leg.audio(coder.encode(bytes(640)))
    leg.play("item", 0, bytes(960 * 2))
    render([leg])
    assert len(leg.rtp.frames[-1][0]) == 160
    assert {len(chunk) for chunk in leg.chunks} == {960}


@pytest.mark.parametrize("law", [None, g711.ULAW, g711.ALAW])
def test_words_of_our_own_sound_alike_whatever_the_agent_speaks(law):
    leg = leg_for()
    leg.answer()
    if law:
        leg.pass_on(law)
    leg.announce((8000 * np.sin(2 * np.pi * 1000 * np.arange(24000) / 24000)).astype("<i2").tobytes())
    for _ in range(50):
        render([leg])
    heard = np.concatenate([g711.ULAW.linear(payload) for payload, _ in leg.rtp.frames])[-4000:]
    power = np.abs(np.fft.rfft(heard * np.hanning(len(heard)))) ** 2
    assert power.argmax() * 2 == 1000
    assert power[497:504].sum() / power.sum() > 0.99
