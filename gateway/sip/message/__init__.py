"""SIP messages and SDP as text and as values (RFC 3261 section 7, RFC 8866)."""
