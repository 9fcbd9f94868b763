from gateway.sip.flow import Flow


def test_only_udp_is_unreliable_and_a_flow_prints_itself():
    assert [Flow(kind, ("h", 1), ("l", 2)).reliable for kind in ("udp", "tcp", "tls")] == [False, True, True]
    assert str(Flow("tcp", ("192.0.2.1", 5060), ("192.0.2.2", 5060))) == "tcp:192.0.2.1:5060"
