"""What several tests need: audio that was spoken, and a gateway that runs."""

from __future__ import annotations

import pytest

from tests.speech import telephone


@pytest.fixture(scope="session")
def spoken():
    """`spoken(text)`: int16 at 16 kHz of espeak-ng's voice, sent through G.711."""
    return telephone
