from gateway.local.checks import in_one_spelling, merge


def test_an_update_names_what_changes():
    config = {"audio": {"input": {"a": 1, "turn_detection": {"type": "server_vad", "threshold": 0.5}}}, "tools": [1]}
    merge(config, {"audio": {"input": {"turn_detection": {"type": "semantic_vad"}}}, "tools": []})
    assert config == {"audio": {"input": {"a": 1, "turn_detection": {"type": "semantic_vad"}}}, "tools": []}


def test_what_the_beta_and_others_have_at_the_top_has_its_place():
    given = {"voice": "a", "turn_detection": None, "input_audio_format": "pcm16", "audio": {"output": {"speed": 1.2}}}
    assert in_one_spelling(given) == {
        "audio": {
            "output": {"voice": "a", "speed": 1.2},
            "input": {"turn_detection": None, "format": {"type": "audio/pcm", "rate": 24000}},
        }
    }
