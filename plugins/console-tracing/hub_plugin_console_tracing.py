"""Live view of sessions, messages and verdicts in the terminal."""
