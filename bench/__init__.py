"""The hub beside its peers: same machine, same run, interleaved rounds (`python -m bench --help`).

An area (`smtp`, `latency`, `memory`, `growth`, `imap`, `startup`, `reload`, `hooks`) is a module with a
`measure` that returns a `Report`; `rounds` decides what counts as a round, `figure` does the arithmetic,
`report`, `svg` and `terminal` show it. Load comes from processes of their own: `smtp_source`, `open_loop`,
`idle`.
"""
