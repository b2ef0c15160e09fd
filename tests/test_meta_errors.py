"""Rules that hold for every error: what can be reported is in the catalogue, and nothing else is."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

from hub.cli.errors import catalogue
from hub.errors.logged import LOGGED
from hub.imap import replies as imap
from hub.imap.errors import known_errors as imap_errors
from hub.mail.verdict import Defer, Reject
from hub.smtp import replies as smtp
from hub.smtp.errors import known_errors as smtp_errors

HUB = Path(__file__).parent.parent / "hub"
OTHERS = ("smtp-bad-sender", "smtp-bad-recipient", "smtp-rejected-by-plugin", "smtp-deferred-by-plugin")
IMAP_OTHERS = ("imap-syntax", "imap-too-big", "imap-cannot", "imap-refused-by-plugin")


def code(area: str, name: str) -> str:
    return f"{area}-{name.lower().replace('_', '-')}"


def test_every_smtp_reply_that_refuses_is_in_the_catalogue() -> None:
    refusing = {
        code("smtp", name)
        for name, value in vars(smtp).items()
        if isinstance(value, Reject | Defer) or (isinstance(value, smtp.Reply) and value.code >= 400)
    }
    assert Counter(each.code for each in smtp_errors()) == Counter([*refusing, *OTHERS])


def test_every_imap_response_that_refuses_is_in_the_catalogue() -> None:
    refusing = {
        code("imap", name)
        for name, value in vars(imap).items()
        if isinstance(value, imap.Reply) or (isinstance(value, bytes) and name.startswith("BYE_"))
    }
    said = Counter(each.code for each in imap_errors())
    assert said == Counter([*refusing - {"imap-bye-logout"}, *IMAP_OTHERS])


def logged() -> dict[str, str]:
    """Event of every error or warning that some module of the hub logs → where."""
    found = {}
    for path in HUB.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not node.args:
                continue
            of_log = ast.unparse(node.func.value).endswith("log") and node.func.attr in ("error", "warning")
            first = node.args[1 if node.func.attr == "_try" and len(node.args) > 1 else 0]
            is_event = isinstance(first, ast.Constant) and isinstance(first.value, str)
            if (of_log or node.func.attr == "_try") and is_event:
                assert isinstance(first, ast.Constant)
                found[str(first.value)] = f"{path.relative_to(HUB.parent)}:{node.lineno}"
    return found


def test_every_logged_error_is_in_the_catalogue_and_every_entry_is_logged() -> None:
    events = logged()
    assert {event: place for event, place in events.items() if event not in LOGGED} == {}, (
        "add them to hub/errors/logged.py, with what the operator should do"
    )
    assert set(LOGGED) - set(events) == set()


def test_codes_are_unique_and_say_what_to_do() -> None:
    known = catalogue()
    assert len({each.code for each in LOGGED.values()}) == len(LOGGED)
    assert len(known) > 100
    for each in known.values():
        assert each.advice.endswith((".", "often"))
        assert each.text or each.event or each.code.startswith(("config-", "plugin-"))


@pytest.mark.parametrize("each", list(catalogue().values()), ids=lambda each: each.code)
def test_a_code_says_its_category(each: object) -> None:
    entry = catalogue()[each.code]  # type: ignore[attr-defined]
    if entry.text and entry.enhanced[:1] in "45":
        assert entry.category == ("recoverable" if entry.enhanced[0] == "4" else "permanent")
