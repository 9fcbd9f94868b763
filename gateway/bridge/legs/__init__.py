"""Parties on the telephone, each with its signalling and its media."""
