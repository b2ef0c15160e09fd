"""The index of the store in SQL: accounts, collections, items, flags, queue and change log."""
