"""Message bytes in the tables of the hub's database."""
