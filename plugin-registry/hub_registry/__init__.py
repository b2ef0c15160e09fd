"""From registry.toml to a folder that any web server can serve.

entries      registry.toml: where the plugins are, and their tags
project      what a source tree says of itself, and what is wrong with that
wheels       built the same every time; those published before are kept
describing   what a wheel answers and can be told, found out in a process of its own
tiers        which checks there are, and what passing them earns
simple       the index that pip reads
pages        the pages for people
"""
