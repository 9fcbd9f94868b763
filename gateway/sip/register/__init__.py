"""REGISTER from both sides, and the passwords that it needs (RFC 3261 sections 10 and 22)."""
