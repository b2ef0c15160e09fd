"""Logins at a real slapd are asked what all are asked: where it is the directory, and beside another."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from hub import Address, Password
from hub.testing.contracts.authentication import AuthenticationContract, AuthenticationSource
from hub.testing.contracts.directory import PASSWORD
from hub.testing.running import running_hub

from .conftest import Slapd


@asynccontextmanager
async def asked(
    folder: Path, slapd: Slapd, monkeypatch: pytest.MonkeyPatch, directory: str, **settings: object
) -> AsyncIterator[AuthenticationSource]:
    table = slapd.settings(**settings)
    cheap = {"hash_memory": 1024, "hash_passes": 1}
    tables = {
        "plugins": {"auth-ldap": table, "directory-sql": cheap},
        "services": {"directory": directory},
    }
    accounts = ("alice@example.test", "dora@example.test") if directory == "directory-sql" else ()
    async with running_hub(folder, plugins=["auth-ldap"], tables=tables, accounts=accounts) as hub:
        connection = cast(Any, sys.modules["hub_plugin_auth_ldap.connection"]).Connection
        work: Counter[str] = Counter()
        for name in ("bind", "search"):
            monkeypatch.setattr(connection, name, counting(work, name, getattr(connection, name)))

        async def stop() -> None:
            slapd.stop()

        async def start() -> None:
            slapd.start()

        yield AuthenticationSource(
            hub,
            "auth-ldap",
            Address("alice", "example.test"),
            "alice@example.test",
            PASSWORD,
            Password,
            wrong=Password("alice@example.test", "wrong"),
            unknown=Password("mallory@example.test", PASSWORD),
            disabled=Password("dora@example.test", PASSWORD),
            stop=stop,
            start=start,
            work=lambda: work,
            settings=(table, {**table, "cache": 11}),
        )


def counting(work: Counter[str], name: str, real: Any) -> Any:
    async def counted(self: object, *arguments: object, **more: object) -> object:
        work[name] += 1
        return await real(self, *arguments, **more)

    return counted


class TestLdapLogins(AuthenticationContract):
    @pytest.fixture
    async def source(
        self, tmp_path: Path, slapd: Slapd, monkeypatch: pytest.MonkeyPatch
    ) -> AsyncIterator[AuthenticationSource]:
        async with asked(tmp_path, slapd, monkeypatch, "auth-ldap") as source:
            yield source


class TestLdapLoginsBesideSql(AuthenticationContract):
    @pytest.fixture
    async def source(
        self, tmp_path: Path, slapd: Slapd, monkeypatch: pytest.MonkeyPatch
    ) -> AsyncIterator[AuthenticationSource]:
        async with asked(tmp_path, slapd, monkeypatch, "directory-sql") as source:
            yield source
