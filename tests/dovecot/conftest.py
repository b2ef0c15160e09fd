"""One hub and one Dovecot for all scripts, each in processes of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench import hub_server
from bench.dovecot import PASSWORD, Dovecot
from bench.server import MAILBOX
from tests.dovecot.oracle import Oracle, Server


@pytest.fixture(scope="session")
def oracle(dovecot: Dovecot, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Oracle]:
    """Both of them, and what is compared."""
    with hub_server.running(tmp_path_factory.mktemp("oracle") / "hub", workers=1) as hub:
        yield Oracle(
            Server("ours", hub.imap_port, MAILBOX, hub_server.PASSWORD),
            Server("Dovecot", dovecot.imap_port, MAILBOX, PASSWORD),
        )
