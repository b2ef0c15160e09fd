"""Domains, accounts, aliases and credentials in SQL."""
