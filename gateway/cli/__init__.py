"""The command line: `main.py` runs a gateway, `desk.py` asks a running one."""
