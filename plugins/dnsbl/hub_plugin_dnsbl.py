"""Block and allow lists in DNS, asked by client address."""
