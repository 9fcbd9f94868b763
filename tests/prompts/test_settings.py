from gateway.prompts.settings import SpeechService, content_key


def test_settings_make_the_name():
    one = SpeechService("a", "http://a", model="m")
    keys = {
        content_key(None, "en", "Hi."),
        content_key(None, "de", "Hi."),
        content_key(None, "en", "Hi!"),
        content_key(one, "en", "Hi."),
        content_key(SpeechService("a", "http://a", model="n"), "en", "Hi."),
    }
    assert len(keys) == 5
    assert content_key(one, "en", "Hi.") == content_key(SpeechService("b", "http://a", model="m"), "en", "Hi.")
