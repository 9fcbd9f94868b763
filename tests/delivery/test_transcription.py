import httpx
import pytest

from gateway.delivery.transcription import TranscriptionService, transcribe

SERVICE = TranscriptionService("acme", "http://speech.example/v1/audio/transcriptions", "hush", "whisper-1", "de")


def client(answer):
    return httpx.AsyncClient(transport=httpx.MockTransport(answer))


@pytest.fixture
def wav(tmp_path):
    (path := tmp_path / "call_1.wav").write_bytes(b"RIFF sound")
    return path


async def test_it_is_asked_as_openais_is(wav):
    def answer(request):
        assert request.headers["authorization"] == "Bearer hush"
        body = request.read()
        for part in (b'name="model"\r\n\r\nwhisper-1', b'name="language"\r\n\r\nde', b"RIFF sound", b"call_1.wav"):
            assert part in body
        return httpx.Response(200, json={"text": " Ruf mich an. "})

    assert await transcribe(SERVICE, wav, client(answer)) == "Ruf mich an."
    assert "hush" not in repr(SERVICE)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (httpx.Response(401, text="who are you"), "401 who are you"),
        (httpx.Response(200, text="<html>"), "no text in its answer"),
        (httpx.Response(200, json=["x"]), "no text in its answer"),
    ],
)
async def test_what_is_no_text_is_told(wav, answer, says):
    with pytest.raises(ValueError, match=says):
        await transcribe(SERVICE, wav, client(lambda request: answer))


async def test_a_server_that_is_away_is_told(wav):
    def refuse(request):
        raise httpx.ConnectError("refused")

    with pytest.raises(ValueError, match=r"speech.example/v1/audio/transcriptions: refused"):
        await transcribe(SERVICE, wav, client(refuse))
