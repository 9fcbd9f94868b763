"""G.722 at 64 kbit/s: 16 kHz on the line of a telephone (ITU-T G.722; its RTP clock says 8000, RFC 3551 section 4.5.2).

The coding is a library's. It has a memory, so that each party has a coder of its own.
"""

from __future__ import annotations

import numpy as np
from G722 import G722 as _G722


class G722:
    """One party: what it sends is decoded, what it hears encoded. PCM16 at 16 kHz; a byte is two samples."""

    def __init__(self) -> None:
        self._decoder, self._encoder = _G722(16000, 64000), _G722(16000, 64000)

    def decode(self, payload: bytes) -> bytes:
        return bytes(self._decoder.decode(payload))

    def encode(self, pcm: bytes) -> bytes:
        """Of an even number of samples."""
        return bytes(self._encoder.encode(np.frombuffer(pcm, "<i2")))
