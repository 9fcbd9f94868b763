import re
import wave

import pytest

from gateway import config
from gateway.config.prompts import ahead_of_calls
from gateway.errors import ConfigError
from gateway.prompts import Words

FILE = """
speech:
  acme: {url: "https://speech.example/v1/audio/speech", key_env: SPEECH_KEY, model: tts-1, voice: marin}
prompts:
  taped: {text: This call is recorded., speech: acme}
  welcome: {file: welcome.wav}
routes: [{called: "*", agent: eve}]
agents: agents
prompt_folder: kept
"""
AGENT = """
greeting: {say: "Good day, {{caller_name}}.", verbatim: true, voice: de}
recording: {start: answer, announcement: {prompt: taped}}
on_provider_failure: {says: "We call you back."}
voice: en-gb
"""


@pytest.fixture
def written(tmp_path, monkeypatch):
    monkeypatch.setenv("SPEECH_KEY", "hush")
    (tmp_path / "agents").mkdir()

    def write(file=FILE, agent=AGENT, channels=1):
        with wave.open(str(tmp_path / "welcome.wav"), "wb") as sound:
            sound.setnchannels(channels)
            sound.setsampwidth(2)
            sound.setframerate(8000)
            sound.writeframes(bytes(16000 * channels))
        (tmp_path / "agents" / "eve.yaml").write_text(agent)
        (tmp_path / "gateway.yaml").write_text(file + "recordings: tapes\n")
        return config.from_file(tmp_path / "gateway.yaml")

    return write


def test_the_file_names_prompts_and_who_speaks(written, tmp_path):
    settings = written()
    said = settings.prompts
    assert (said.services["acme"].key, said.services["acme"].hz, said.folder) == ("hush", 24000, tmp_path / "kept")
    assert "hush" not in repr(said)
    assert said.prompts["welcome"].file == tmp_path / "welcome.wav"
    assert ahead_of_calls(settings.agents, said, settings.bridge.places) == [
        Words(prompt="taped"),
        Words(prompt="welcome"),
        Words("", "taped", "local", "en-gb"),
        Words("We call you back.", "", "local", "en-gb"),
    ]  # the greeting has a variable, and so is made while it rings


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("speech: acme}", "speech: acne}", "prompts.taped: there is no speech 'acne'; these are: local, acme"),
        (
            "{file: welcome.wav}",
            "{file: nowhere.wav}",
            "prompts.welcome.file: .*cannot be read: no such file",
        ),
        ("{file: welcome.wav}", "{}", "prompts.welcome: wants a text, a file, or both"),
        ("This call is recorded.", "'It is {{caller}}.'", "prompts.taped.text: has a variable"),
        ("speech:\n  acme", "speech:\n  local", "speech.local: local is the embedded voice: take another name"),
        ("SPEECH_KEY", "NO_KEY", "speech.acme.key_env: the environment has no NO_KEY"),
        ("https://speech", "ftp://speech", "speech.acme.url"),
    ],
)
def test_what_cannot_be_said_is_told(written, old, new, says):
    with pytest.raises(ConfigError) as error:
        written(FILE.replace(old, new))
    told = [str(one) for one in (error.value, *error.value.more)]
    assert any(re.search(says, one) for one in told), told


def test_a_stereo_file_is_told(written):
    with pytest.raises(ConfigError, match="has 2 channels; a telephone has one"):
        written(channels=2)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "{prompt: taped}",
            "{prompt: tapped}",
            "announcement: there is no prompt 'tapped'; these are: taped, welcome",
        ),
        ("voice: de}", "voice: de, speech: acne}", "greeting: there is no speech 'acne'"),
        ("{prompt: taped}", "{prompt: taped, say: x}", "either say or prompt"),
        ("{prompt: taped}", "{say: x, verbatim: false}", "announcement.verbatim"),
    ],
)
def test_what_an_agent_cannot_say_is_told(written, old, new, says):
    with pytest.raises(ConfigError, match=says):
        written(agent=AGENT.replace(old, new))


def test_without_the_embedded_voice_it_is_told_what_to_install(written, monkeypatch):
    monkeypatch.setattr("gateway.config.prompts.find_spec", lambda name: None)
    with pytest.raises(
        ConfigError, match=r"not installed: pip install 'voice-agent-gateway\[local\]', or name a row of speech"
    ):
        written()
