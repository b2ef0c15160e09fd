"""Refuse addresses, domains and networks that the operator lists."""
