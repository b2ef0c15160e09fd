"""The hub beside its peers: same machine, same run, interleaved rounds (`python -m bench --help`).

An area (`smtp`, `imap`, …) is a module with a `measure` that returns a `Report`; `rounds` decides what counts
as a round, `figure` does the arithmetic, `report` and `terminal` show it.
"""
