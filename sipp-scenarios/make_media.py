"""Makes media/*.ulaw: phrases spoken by espeak-ng, mu-law at 8 kHz without a header, as SIPp's rtp_stream wants them.

Run it from the checkout: .venv/bin/python sipp-scenarios/make_media.py
"""

from pathlib import Path

import numpy as np

from gateway.codecs import g711
from gateway.local.mouth import mouth

PHRASES = {
    "hours": "what are your opening hours",
    "billing": "transfer me to billing",
    "goodbye": "goodbye",
}
SPEED = 0.85
SILENCE_MS = 1500  # after the phrase, so that its end can be heard

for name, text in PHRASES.items():
    samples = np.concatenate((mouth().speak(text, speed=SPEED, hz=8000), np.zeros(8 * SILENCE_MS, np.int16)))
    samples = samples[: len(samples) // 160 * 160]
    path = Path(__file__).parent / "media" / f"{name}.ulaw"
    path.write_bytes(g711.encode(g711.ULAW, samples).tobytes())
    print(f"{path.name}: {len(samples) / 8000:.2f} s")
