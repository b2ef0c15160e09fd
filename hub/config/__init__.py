"""The configuration: find the files, merge them, validate them, and say where every value came from.

`load.load()` is the way in. Only `model`, `schema`, `validate`, `load` and what stands on them import
pydantic, so finding and parsing stay cheap for a command that needs nothing else.
"""
