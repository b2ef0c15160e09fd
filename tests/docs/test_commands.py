"""The commands that the documentation shows are there, with those options, and answer as it says."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Final

import click
import pytest
from click.testing import CliRunner

from hub.cli.main import main

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted(ROOT.glob("plugins/*/README.md")),
    *sorted(ROOT.glob("examples/*/README.md")),
]
TYPED: Final = re.compile(r"^\$ hub (?P<words>\S.*?)(?:\s+#.*)?$", re.M)
NAMED: Final = re.compile(r"`hub (?P<words>[a-z][^`]*)`")


def shown(pattern: re.Pattern[str]) -> list[tuple[str, str]]:
    """Page and words of each command."""
    return sorted(
        {
            (str(page.relative_to(ROOT)), found["words"])
            for page in PAGES
            for found in pattern.finditer(page.read_text("utf-8"))
        }
    )


def names(words: str) -> Iterator[list[str]]:
    """The verbs of `queue list | show [--json]`: lower case, up to what the reader fills in."""
    first, *others = (re.findall(r"\S+", each) for each in words.split("|"))
    verbs = list(takewhile(re.compile(r"[a-z][a-z-]*\Z").match, first))
    yield verbs
    for other in others:
        yield [*verbs[:-1], *takewhile(re.compile(r"[a-z][a-z-]*\Z").match, other)]


def parse(command: click.Command, words: list[str], parent: click.Context | None = None) -> None:
    """As far as it goes without doing anything. click.UsageError."""
    with command.make_context(command.name, words, parent) as context:
        if isinstance(command, click.Group) and (rest := [*context._protected_args, *context.args]):
            _, found, rest = command.resolve_command(context, rest)
            assert found is not None
            parse(found, rest, context)


@pytest.mark.parametrize(("page", "words"), shown(TYPED))
def test_what_is_typed_can_be(page: str, words: str) -> None:
    parse(main, shlex.split(words))


@pytest.mark.parametrize(("page", "words"), shown(NAMED))
def test_what_is_named_is_there(page: str, words: str) -> None:
    for verbs in names(words):
        command: click.Command = main
        for verb in verbs:
            if not isinstance(command, click.Group):
                break  # what follows are its arguments
            found = command.get_command(click.Context(command), verb)
            assert found is not None, f"{page}: hub {' '.join(verbs)}"
            command = found


def test_an_error_is_explained_as_the_page_shows() -> None:
    page = (ROOT / "docs" / "operating.md").read_text()
    printed = re.search(r"^\$ hub errors (\S+)\n(.*?)^```$", page, re.M | re.S)
    assert printed is not None
    said = CliRunner().invoke(main, ["errors", printed[1]])
    assert said.output == printed[2]
