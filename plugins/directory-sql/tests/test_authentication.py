"""The directory's own check is asked what every source of logins is asked."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

from hub import Address, DirectoryAdmin, Password
from hub.testing.contracts.authentication import AuthenticationContract, AuthenticationSource
from hub.testing.running import PASSWORD, running_hub

CHEAP = {"hash_memory": 1024, "hash_passes": 1}


class TestSqlLogins(AuthenticationContract):
    @pytest.fixture
    async def source(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> AsyncIterator[AuthenticationSource]:
        async with running_hub(tmp_path, tables={"plugins": {"directory-sql": CHEAP}}) as hub:
            directory = cast(DirectoryAdmin, hub.hub.kernel.services.directory)
            await directory.change_account(Address("bob", "example.test"), enabled=False)
            # As the hub has loaded them.
            driver = type(directory)
            hasher = cast(Any, sys.modules[driver.__module__]).Hasher
            work: Counter[str] = Counter()
            verify = hasher.verify

            def counting(self: object, *arguments: object, **more: object) -> object:
                work["hashes"] += 1
                return verify(self, *arguments, **more)

            async def fail(self: object, login: str) -> None:
                raise OSError("the database does not answer")

            async def stop() -> None:
                stopped.setattr(driver, "_credential", fail)

            async def start() -> None:
                stopped.undo()

            monkeypatch.setattr(hasher, "verify", counting)
            with pytest.MonkeyPatch.context() as stopped:
                yield AuthenticationSource(
                    hub,
                    "directory-sql",
                    Address("alice", "example.test"),
                    "alice@example.test",
                    PASSWORD,
                    Password,
                    wrong=Password("alice@example.test", "wrong"),
                    unknown=Password("mallory@example.test", PASSWORD),
                    disabled=Password("bob@example.test", PASSWORD),
                    stop=stop,
                    start=start,
                    work=lambda: work,
                    settings=(CHEAP, {**CHEAP, "hash_threads": 3}),
                )
