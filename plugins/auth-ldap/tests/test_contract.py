"""LDAP as the hub's directory is asked what every directory is asked."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from hub_plugin_auth_ldap import LdapDirectory

from hub import Directory
from hub.testing.contracts.directory import DirectoryReadingContract
from hub.testing.plugin import PluginScope

from .conftest import Slapd


class TestLdapDirectory(DirectoryReadingContract):
    @pytest.fixture
    async def world(self, plugin_scope: PluginScope, slapd: Slapd) -> AsyncIterator[Directory]:
        async with LdapDirectory(plugin_scope("auth-ldap", slapd.settings())) as directory:
            yield directory
