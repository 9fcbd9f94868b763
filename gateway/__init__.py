"""Puts Realtime voice agents on the telephone. docs/architecture.md tells where everything is."""

import os

__version__ = "0.1.0"

USER_AGENT = f"voice-agent-gateway/{__version__}"
"""What we call ourselves, to whoever we ask something by HTTP or WebSocket."""

os.putenv("OPENBLAS_NUM_THREADS", "1")
"""For numpy, before it is loaded: matrices as small as ours only lose by being shared among threads."""
