"""A hub that speaks POP3, and clients of it."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

import pytest

from hub.testing.certificate import self_signed
from hub.testing.observed import Observed
from hub.testing.running import RunningHub, running_hub

HELLO = "Subject: Hello\r\n\r\nIt works.\r\n"


class Pop3Hub(Protocol):
    def __call__(
        self, *, tls: bool = False, listener: dict[str, object] | None = None, **settings: object
    ) -> AbstractAsyncContextManager[RunningHub]: ...


@pytest.fixture
def pop3_hub(tmp_path: Path) -> Pop3Hub:
    """settings: of the plugin. tls: with a certificate and a listener of pop3s. listener: of the other."""

    def make(
        *, tls: bool = False, listener: dict[str, object] | None = None, **settings: object
    ) -> AbstractAsyncContextManager[RunningHub]:
        names = ("smtp", "imap", "pop3", *(("pop3s",) if tls else ()))
        listeners: dict[str, dict[str, object]] = {
            name: {"protocol": name, "bind": ["127.0.0.1:0"]} for name in names
        }
        listeners["pop3"].update(listener or {})
        tables: dict[str, object] = {"listeners": listeners, "plugins": {"pop3": settings}}
        if tls:
            certificate, key = self_signed(tmp_path)
            tables["tls"] = {"certificate": str(certificate), "key": str(key)}
        return running_hub(
            tmp_path,
            plugins=["pop3"],
            tables=tables,
            observed=Observed(),
            beside=Path(__file__).parent / "dialogues",
        )

    return make


@pytest.fixture
async def hub(pop3_hub: Pop3Hub) -> AsyncIterator[RunningHub]:
    """One without anything special, in which Alice has two messages."""
    async with pop3_hub() as running:
        await running.send(HELLO)
        await running.send("Subject: Dots\r\n\r\n.\r\n..two\r\nthe end\r\n")
        yield running
