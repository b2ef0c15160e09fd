"""`hub explain`: decisions step by step; what can be explained is added by plugins."""

from __future__ import annotations

import click

from hub.cli.lazy import LazyGroup


@click.group(cls=LazyGroup, verbs={}, entry_points="hub.explain")
def explain() -> None:
    """Walk through a decision, step by step."""
