"""The store in one SQLite file: WAL, synced at every commit, one writer thread per process."""
