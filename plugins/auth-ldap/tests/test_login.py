"""Logging in at a real slapd."""

from __future__ import annotations

from typing import Any

import pytest
from hub_plugin_auth_ldap import LdapDirectory, authenticate, plugin_start

from hub import Identity, Password, Refuse


async def log_in(scope: Any, username: str, password: str) -> Identity | Refuse | None:
    return await authenticate(scope, Password(username, password))


@pytest.fixture
async def scope(plugin_scope: Any, slapd: Any) -> Any:
    scope = plugin_scope("auth-ldap", slapd.settings(domains=["example.test"]))
    await scope.enter(LdapDirectory(scope))
    await plugin_start(scope)
    return scope


async def test_the_right_password_logs_in(scope: Any) -> None:
    answer = await log_in(scope, "alice@example.test", "wonderland")
    assert isinstance(answer, Identity), (answer, scope.dependencies)
    assert answer.login == "alice@example.test"
