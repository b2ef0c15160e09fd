"""A mail server whose every decision is a hook."""
