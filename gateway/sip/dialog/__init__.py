"""Dialogs, and what both sides of a session do within one (RFC 3261 sections 12 to 15)."""
