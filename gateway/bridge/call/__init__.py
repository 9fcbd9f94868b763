"""A call and its parts: every decision between a caller and an agent. No I/O: see `call.py` and `part.py`."""
