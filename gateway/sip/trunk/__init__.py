"""Trunks: what each wants said to it and says to us, who may call by it, and which of its servers answer."""
