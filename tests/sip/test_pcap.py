import shutil
import struct
import subprocess

import pytest

from gateway.sip.pcap import MAX_TEXT, capture
from gateway.sip.trace import Traced

INVITE = "INVITE sip:bob@198.51.100.9 SIP/2.0\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\nFrom: <sip:a@h>\r\n\r\n"


def packets(data):
    at, found = 24, []
    while at < len(data):
        seconds, micro, size, whole = struct.unpack_from("<IIII", data, at)
        assert size == whole
        found.append((seconds + micro / 1e6, data[at + 16 : at + 16 + size]))
        at += 16 + size
    return found


def test_each_message_is_a_datagram_from_whom_it_came():
    data = capture([
        Traced(1764324000.25, "received", "udp:192.0.2.7:5060", INVITE, "198.51.100.9:5070"),
        Traced(1764324000.5, "sent", "tcp:192.0.2.7:5060", "SIP/2.0 200 OK\r\n\r\n", "198.51.100.9:5070"),
        Traced(1764324001.0, "sent", "udp:2001:db8::7:5060", INVITE, "2001:db8::9:5060"),
        Traced(1764324002.0, "sent", "udp:somewhere", INVITE, ""),
        Traced(1764324003.0, "sent", "udp:192.0.2.7:5060", "x" * 70000, "198.51.100.9:5070"),
    ])  # fmt: skip
    assert struct.unpack_from("<IHH", data) == (0xA1B2C3D4, 2, 4)
    first, second, sixth, long = packets(data)
    assert first[0] == 1764324000.25
    assert first[1][12:20] == bytes([192, 0, 2, 7, 198, 51, 100, 9])
    assert struct.unpack(">HH", first[1][20:24]) == (5060, 5070)
    assert first[1][28:] == INVITE.encode()
    assert second[1][12:20] == bytes([198, 51, 100, 9, 192, 0, 2, 7])
    words = struct.unpack(">10H", first[1][:20])
    total = sum(words)
    assert (total & 0xFFFF) + (total >> 16) == 0xFFFF  # RFC 1071: with the checksum in it, all ones
    assert sixth[1][0] >> 4 == 6
    assert sixth[1][48:] == INVITE.encode()
    assert len(long[1]) == 28 + MAX_TEXT


@pytest.mark.skipif(shutil.which("tcpdump") is None, reason="tcpdump is not installed")
def test_a_reader_of_somebody_elses_takes_it(tmp_path):
    path = tmp_path / "call.pcap"
    path.write_bytes(capture([Traced(1.0, "received", "udp:192.0.2.7:5060", INVITE, "198.51.100.9:5060")]))
    told = subprocess.run(["tcpdump", "-r", path, "-n", "-v"], capture_output=True, text=True).stdout
    assert "192.0.2.7.5060 > 198.51.100.9.5060: SIP" in told
    assert "INVITE sip:bob@198.51.100.9 SIP/2.0" in told
    assert "bad cksum" not in told
