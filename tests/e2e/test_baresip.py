"""baresip calls: another stack, A-law, speech from a file."""

from __future__ import annotations

import shutil
import subprocess
import wave
from pathlib import Path

import numpy as np
import pytest

from tests.e2e.conftest import said
from tests.speech import narrowband

MODULES = next((path for path in Path("/usr/lib").glob("**/baresip/modules")), None)

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        shutil.which("baresip") is None or MODULES is None, reason="baresip is not installed (Debian: baresip-core)"
    ),
]

CONFIG = """
sip_listen 127.0.0.1:0
audio_source aufile,{folder}/say.wav
audio_player aufile,{folder}/heard.wav
module_path {modules}
module g711.so
module aufile.so
module_app account.so
module_app menu.so
"""


def test_a_question_in_a_law(demo, tmp_path):
    (tmp_path / "config").write_text(CONFIG.format(folder=tmp_path, modules=MODULES))
    (tmp_path / "accounts").write_text("<sip:baresip@127.0.0.1>;regint=0;audio_codecs=PCMA/8000\n")
    (tmp_path / "contacts").write_text("")
    with wave.open(str(tmp_path / "say.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        quiet = np.zeros(4 * 8000, np.int16)  # while the greeting is spoken
        file.writeframes(np.concatenate((quiet, narrowband("what are your opening hours"), quiet, quiet)).tobytes())
    command = ["baresip", "-f", str(tmp_path), "-e", f"d sip:reception@127.0.0.1:{demo.sip_port}", "-t", "14"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "Call established" in done.stdout + done.stderr
    record = demo.call_of("baresip")
    assert (record["outcome"], record["media"]["codec"]) == ("caller_hung_up", "PCMA")
    assert said(record, "user") == ["what are your opening hours"]
    assert said(record, "assistant")[1].startswith("We are open Monday to Friday")
