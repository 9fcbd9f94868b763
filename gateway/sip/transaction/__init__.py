"""Client and server transactions (RFC 3261 section 17)."""
