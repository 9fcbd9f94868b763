"""How a session begins, from either side: INVITE, offer and answer, REFER."""
