"""What every source of logins is asked, with opaque tokens: the issuer is asked about each of those."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest

from hub import Address, Bearer, DirectoryAdmin
from hub.testing.contracts.authentication import AuthenticationContract, AuthenticationSource
from hub.testing.running import running_hub

from .conftest import LocalIssuer

ALICE, BOB, NOBODY = "alice@example.test", "bob@example.test", "nobody@example.test"


class TestTokenLogins(AuthenticationContract):
    @pytest.fixture
    async def source(self, issuer: LocalIssuer, tmp_path: Path) -> AsyncIterator[AuthenticationSource]:
        for token, email in (("alices", ALICE), ("bobs", BOB), ("nobodys", NOBODY)):
            issuer.opaque[token] = {"active": True, "client_id": "mail", "email": email}
        introspection = {"url": issuer.url + "/introspect", "client_id": "hub", "client_secret": "s:"}
        table = {"issuer": issuer.url, "audience": ["mail"], "introspection": introspection}
        tables = {"plugins": {"auth-oidc": table}}
        async with running_hub(tmp_path, plugins=["auth-oidc"], tables=tables) as hub:
            directory = cast(DirectoryAdmin, hub.hub.kernel.services.directory)
            await directory.change_account(Address.parse(BOB), enabled=False)
            yield AuthenticationSource(
                hub,
                "auth-oidc",
                Address.parse(ALICE),
                ALICE,
                "alices",
                Bearer,
                wrong=Bearer(ALICE, "forged"),
                unknown=Bearer(NOBODY, "nobodys"),
                disabled=Bearer(BOB, "bobs"),
                stop=issuer.stop,
                start=issuer.start,
                work=lambda: {"questions": issuer.introspected},
                settings=(table, {**table, "leeway": 30}),
            )
