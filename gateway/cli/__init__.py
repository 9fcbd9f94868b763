"""The command line: `main.py` runs a gateway, `operator_commands.py` asks a running one."""
