"""Limits per client address, account and network."""
