"""The same scripts against ours and Debian's Dovecot: what differs is in a table, or a mistake."""

from __future__ import annotations

import time

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from hub.mail.headers import Headers
from hub.mail.mailboxes import addresses
from tests.corpus.messages import MESSAGES
from tests.dovecot.differences import DIFFERENCES
from tests.dovecot.explained import EXPLAINED
from tests.dovecot.oracle import Oracle
from tests.dovecot.script import Script
from tests.dovecot.scripts import scripts
from tests.soak import Soak

_EXPLAINED = {name for each in EXPLAINED for name in each.messages}


def dated(message: bytes) -> bytes:
    """With a Date, for what SENTBEFORE makes of a message without one is every server's own affair."""
    head = message.partition(b"\r\n\r\n")[0]
    return message if b"Date:" in head else b"Date: Mon, 2 Feb 2026 10:00:00 +0100\r\n" + message


def is_sought_alike(message: bytes) -> bool:
    """No address lacks what Dovecot has its own names for, by which it sorts ("names for what an address
    lacks"), and there is no RFC 2231 in it, behind which only ours finds an attachment's name by TEXT.
    """
    values = Headers(message.partition(b"\r\n\r\n")[0]).table.get(b"from", ())
    return b"*=" not in message and all(address.local for value in values for address in addresses(value))


CORPUS = tuple(
    dated(message)
    for name, message in MESSAGES.items()
    if name not in _EXPLAINED
    and message.startswith((b"From:", b"Subject:"))
    and not name.startswith("date ")
    and is_sought_alike(message)
)


@pytest.mark.soak
@pytest.mark.timeout(300)
@pytest.mark.proves("imap: scripts of commands are answered as Dovecot answers them")
def test_generated_scripts_are_answered_as_dovecot_answers_them(oracle: Oracle, soak: Soak) -> None:
    count = soak.times(300, soak=10_000)
    began = time.monotonic()

    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @seed(6)
    @given(scripts(oracle.capabilities(), CORPUS))
    def play(script: Script) -> None:
        oracle.compare(script)

    play()
    soak.found("scripts", f"{count:,} in {time.monotonic() - began:.0f} s, none unexplained")
    for what, times in sorted(oracle.seen.items()):
        soak.found(what, f"met {times:,} times")


def test_every_allowed_difference_has_its_reason_in_an_rfc() -> None:
    assert len({each.what for each in DIFFERENCES}) == len(DIFFERENCES)
    for difference in DIFFERENCES:
        assert "RFC " in difference.reason, difference.what
