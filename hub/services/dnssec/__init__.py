"""Whether what DNS says is what the owners of the names have signed (RFC 4033 to 4035, 5155, 6840)."""
