"""The plugin author's test kit.

plugin.py        the fixtures `hub`, `plugin_scope` and `manual_clock`, which pytest knows by itself
running.py       `running_hub`: a real hub on free ports, and what a test does with it
observed.py      the calls and spans that a test looks at
conversation.py  dialogues as text files; dialogue.py: as lists of commands
commands.py      commands that a plugin adds to `hub`
clock.py         time that a test turns
recorder.py      a plugin that sees every hook fire
ports.py         ports for programs that a test starts
load.py          mail that keeps flowing meanwhile
contracts/       what every driver of a service does: storage, blobs, directory
checking/        whether a plugin is fit to be shared: `check(path)`
project.py       a plugin where its author works on it
"""
