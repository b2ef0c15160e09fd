"""Spam scoring through SpamAssassin's spamd."""
