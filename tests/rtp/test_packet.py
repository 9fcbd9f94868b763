import pytest
from aiortc.rtp import RtpPacket

from gateway.rtp.packet import extend, parse


def test_rtp_is_told_from_what_is_not():
    data = RtpPacket(payload_type=0, sequence_number=7, timestamp=160, ssrc=1, payload=b"x" * 160).serialize()
    packet = parse(data)
    assert packet is not None
    assert (packet.sequence_number, packet.timestamp, len(packet.payload)) == (7, 160, 160)
    for garbage in (b"", b"\x80", b"GET / HTTP/1.1\r\n\r\n", data[:11], b"\x80\xc8" + data[2:], b"\x9f" + data[1:13]):
        assert parse(garbage) is None


@pytest.mark.parametrize(
    ("counter", "reference", "expected"),
    [(2, 65535, 65538), (65535, 65538, 65535), (100, 100, 100), (0, 65536, 65536), (32768, 65536, 32768 + 0)],
)
def test_counters_that_wrap(counter, reference, expected):
    assert extend(counter, reference) == expected
