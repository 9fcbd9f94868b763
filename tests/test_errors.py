from gateway import errors


def test_sentences_name_the_thing_and_the_fix():
    assert str(errors.ConfigError("f.yaml", "is missing", line=3, key="sip.port")) == "f.yaml:3: sip.port: is missing"
    assert str(errors.ConfigError("f.yaml", "is empty")) == "f.yaml: is empty"
    assert "--sip-port" in str(errors.PortInUse("SIP", "127.0.0.1", 5060, "--sip-port"))
    assert str(errors.NoRoute("42", ["'1*' (a) does not match"])) == "no route for '42': '1*' (a) does not match"
    assert "no routes are configured" in str(errors.NoRoute("42", []))
    assert "offered G729/8000; here PCMU" in str(errors.NoCommonCodec(["G729/8000"], ["PCMU"]))
    assert "media.first_port" in str(errors.NoMediaPort(1, 2))
    assert str(errors.ProviderError("acme", "ws://h", "broke", "mend it")) == "provider acme at ws://h: broke; mend it"
    assert str(errors.ToolError("clock", "stopped")) == "clock: stopped"
    assert "redis://h" in str(errors.StoreUnavailable("redis://h", "refused"))
    assert "shutting down" in str(errors.Draining())
    assert "not a valid session description: x" in str(errors.SdpError("x"))
    assert "not a valid SIP message: x" in str(errors.SipParseError("x"))
