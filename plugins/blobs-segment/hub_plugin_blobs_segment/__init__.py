"""Message bytes in append-only segment files."""
