"""LDAP as the hub's directory, beyond what every directory does: lists, memory, Active Directory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hub_plugin_auth_ldap import LdapDirectory, Settings, driver, lookup
from hub_plugin_auth_ldap.connection import Connection, Entry
from hub_plugin_auth_ldap.people import is_enabled, person

from hub import Account, AccountRef, Address, DirectoryUnavailable, Resolution
from hub.testing.clock import ManualClock
from hub.testing.plugin import PluginScope

from .conftest import BASE, HUB, SUFFIX, Certificates, Slapd, dn_of, group
from .conftest import person as person_entry


async def opened(plugin_scope: PluginScope, slapd: Slapd, **settings: object) -> LdapDirectory:
    scope = plugin_scope("auth-ldap", slapd.settings(**settings))
    return await scope.enter(LdapDirectory(scope))


def at(local: str) -> Address:
    return Address(local, "example.test")


def names(resolution: Resolution | None) -> tuple[list[str], list[str]]:
    """The addresses of accounts here, and those elsewhere."""
    if resolution is None:
        return [], []
    here = sorted(str(each.address) for each in resolution.accounts)
    return here, sorted(map(str, resolution.forwards))


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The questions that were asked."""
    asked: list[str] = []
    real = Connection.search

    async def noting(self: Connection, base: str, question: Any, *rest: Any, **more: Any) -> Any:
        asked.append(str(question))
        return await real(self, base, question, *rest, **more)

    monkeypatch.setattr(Connection, "search", noting)
    return asked


# -- people and lists ---------------------------------------------------------------------------


async def test_an_alias_in_a_persons_entry_leads_there(plugin_scope: PluginScope, slapd: Slapd) -> None:
    directory = await opened(plugin_scope, slapd)
    assert names(await directory.resolve(at("bobby"))) == (["robert@example.test"], [])
    robert = await directory.account("robert")
    assert robert is not None
    assert robert.quota == 2_000_000
    assert await directory.may_send_as(robert.ref, at("bobby"))


async def test_groups_are_lists_of_people_and_of_groups(plugin_scope: PluginScope, slapd: Slapd) -> None:
    directory = await opened(plugin_scope, slapd)
    # `mail` has no address and so is no list, the DN of `gone` is nobody's.
    assert names(await directory.resolve(at("board"))) == (["bob@example.test"], [])
    assert names(await directory.resolve(at("staff"))) == (["bob@example.test", "robert@example.test"], [])


async def test_what_a_referral_leads_to_is_not_there(plugin_scope: PluginScope, slapd: Slapd) -> None:
    directory = await opened(plugin_scope, slapd)
    assert names(await directory.resolve(at("far"))) == (["bob@example.test"], [])


async def test_without_lists_nobody_looks_for_them(
    plugin_scope: PluginScope, slapd: Slapd, searches: list[str]
) -> None:
    directory = await opened(plugin_scope, slapd, lists=None)
    assert await directory.resolve(at("board")) is None
    assert len(searches) == 1


async def test_an_address_that_two_have_reaches_both(plugin_scope: PluginScope, slapd: Slapd) -> None:
    directory = await opened(plugin_scope, slapd)
    both = ["twin2@example.test", "twin@example.test"]
    assert names(await directory.resolve(at("twin"))) == (both, [])


async def test_who_has_an_address_elsewhere_gets_mail_there(plugin_scope: PluginScope, slapd: Slapd) -> None:
    directory = await opened(plugin_scope, slapd)
    assert names(await directory.resolve(at("moved"))) == ([], ["moved@elsewhere.test"])
    assert await directory.account("moved") is None


async def test_a_persons_own_address_costs_one_question(
    plugin_scope: PluginScope, slapd: Slapd, searches: list[str]
) -> None:
    directory = await opened(plugin_scope, slapd)
    await directory.resolve(at("alice"))
    assert len(searches) == 1
    assert await directory.is_local("example.test")
    assert len(searches) == 1


# -- a directory that changes -------------------------------------------------------------------


@pytest.fixture
def own_slapd(certificates: Certificates, tmp_path: Path) -> Iterator[Slapd]:
    """A server for one test, which may change what is in it."""
    slapd = Slapd(tmp_path, certificates, certificates.make("localhost", "DNS:localhost"))
    slapd.load(BASE + "\n" + person_entry("alice", "alice@example.test"))
    slapd.start()
    yield slapd
    slapd.stop()


async def test_answers_are_kept_for_a_while_also_that_there_is_nobody(
    plugin_scope: PluginScope, own_slapd: Slapd, manual_clock: ManualClock, searches: list[str]
) -> None:
    directory = await opened(plugin_scope, own_slapd, cache=10)
    alice = await directory.account("alice")
    assert alice is not None
    assert await directory.resolve(at("alice")) == Resolution((alice,))
    assert await directory.resolve(at("bob")) is None
    asked = len(searches)
    own_slapd.change(f"dn: {dn_of('alice')}\nchangetype: delete\n")
    own_slapd.change(person_entry("bob", "bob@example.test").replace("\n", "\nchangetype: add\n", 1))
    assert await directory.resolve(at("ALICE")) == Resolution((alice,))
    assert await directory.resolve(at("bob")) is None
    assert len(searches) == asked
    await manual_clock.turn(10)
    assert await directory.resolve(at("alice")) is None
    assert names(await directory.resolve(at("bob"))) == (["bob@example.test"], [])
    # Somebody new with the address of somebody who was there.
    own_slapd.change(person_entry("alice", "alice@example.test").replace("\n", "\nchangetype: add\n", 1))
    await manual_clock.turn(10)
    again = await directory.account("alice")
    assert again is not None
    assert again.ref != alice.ref


async def test_no_answer_is_kept_of_a_server_that_gave_none(
    plugin_scope: PluginScope, own_slapd: Slapd
) -> None:
    directory = await opened(plugin_scope, own_slapd, cache=3600)
    own_slapd.stop()
    with pytest.raises(DirectoryUnavailable):
        await directory.resolve(at("alice"))
    own_slapd.start()
    assert await directory.resolve(at("alice")) is not None


async def test_the_memory_is_bounded(
    plugin_scope: PluginScope, slapd: Slapd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "CACHE_SIZE", 3)
    directory = await opened(plugin_scope, slapd)
    for number in range(10):
        await directory.resolve(at(f"nobody{number}"))
    assert len(directory._cache._values) == 3


async def test_a_list_that_leads_to_too_many_is_a_failure_and_loses_nobody(
    plugin_scope: PluginScope, own_slapd: Slapd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookup, "MAX_TARGETS", 20)
    members = [f"uid=m{number},ou=people,{SUFFIX}" for number in range(21)]
    entry = group("big", *members, mail="big@example.test")
    own_slapd.change(entry.replace("\n", "\nchangetype: add\n", 1))
    directory = await opened(plugin_scope, own_slapd)
    with pytest.raises(DirectoryUnavailable, match="leads to more than 20"):
        await directory.resolve(at("big"))


# -- entries as others write them ---------------------------------------------------------------

ACTIVE_DIRECTORY = {
    "key": "objectGUID",
    "aliases": ["proxyAddresses"],
    "logins": ["userPrincipalName", "sAMAccountName"],
    "name": "displayName",
    "enabled": "userAccountControl",
    "quota": "mDBStorageQuota",
    "quota_unit": "1KiB",
}


class Said:
    """A log that keeps what it is told."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warning(self, event: str, /, **fields: object) -> None:
        self.warnings.append(event)


def settings(**people: object) -> Settings:
    return Settings.model_validate({"servers": ["ldap://x"], "base": SUFFIX, "people": people})


def test_what_active_directory_writes_is_understood() -> None:
    entry = Entry(
        "CN=Alice,DC=corp",
        {
            "objectguid": [b"0123456789abcdef"],
            "mail": [b"alice@example.test"],
            "proxyaddresses": [b"SMTP:alice@example.test", b"smtp:al@example.test", b"X400:c=US", b"\xff"],
            "displayname": [b"Alice"],
            "useraccountcontrol": [b"512"],
            "mdbstoragequota": [b"2048"],
        },
    )
    found = person(settings(**ACTIVE_DIRECTORY), entry, Said())  # type: ignore[arg-type]
    assert found is not None
    assert found.account == Account(
        AccountRef("default", b"0123456789abcdef".hex()), at("alice"), "Alice", 2 << 20, True
    )
    assert set(found.addresses) == {("alice", "example.test"), ("al", "example.test")}


@pytest.mark.parametrize(
    ("switch", "values", "expected"),
    [
        (None, {}, True),
        ("mailEnabled", {}, True),
        ("mailEnabled", {"mailenabled": [b"TRUE"]}, True),
        ("mailEnabled", {"mailenabled": [b"FALSE"]}, False),
        ("mailEnabled", {"mailenabled": [b"inactive"]}, False),
        ("!nsAccountLock", {}, True),
        ("!nsAccountLock", {"nsaccountlock": [b"true"]}, False),
        ("!nsAccountLock", {"nsaccountlock": [b"false"]}, True),
        ("!pwdAccountLockedTime", {"pwdaccountlockedtime": [b"000001010000Z"]}, False),
        ("userAccountControl", {"useraccountcontrol": [b"66048"]}, True),
        ("userAccountControl", {"useraccountcontrol": [b"66050"]}, False),
        ("userAccountControl", {"useraccountcontrol": [b"?"]}, True),
    ],
)
def test_a_switch_says_who_is_enabled(
    switch: str | None, values: Mapping[str, list[bytes]], expected: bool
) -> None:
    assert is_enabled(switch, Entry("", values)) is expected


@pytest.mark.parametrize(
    ("text", "quota"), [(b"1000", 1000), (b"2 MB", 2_000_000), (b"0", None), (b"much", None), (b"-1", None)]
)
def test_a_quota_is_a_size_or_counts_as_none(text: bytes, quota: int | None) -> None:
    attributes = {"mail": [b"alice@example.test"], "entryuuid": [b"k"], "mailquota": [text]}
    said = Said()
    found = person(settings(quota="mailQuota"), Entry("", attributes), said)  # type: ignore[arg-type]
    assert found is not None
    assert found.account.quota == quota
    assert bool(said.warnings) == (text in (b"much", b"-1"))


@pytest.mark.parametrize(
    "attributes",
    [
        {"entryuuid": [b"k"]},
        {"mail": [b"alice@example.test"]},
        {"mail": [b"no address"], "entryuuid": [b"k"]},
        {"mail": [], "entryuuid": [b""]},
    ],
)
def test_an_entry_without_address_or_key_is_no_account(attributes: Mapping[str, list[bytes]]) -> None:
    said = Said()
    assert person(settings(), Entry("", attributes), said) is None  # type: ignore[arg-type]
    assert said.warnings


# -- settings -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"servers": []}, "at least 1 item"),
        ({"servers": ["ldap.example.org"]}, "should be ldaps://host"),
        ({"servers": ["ldap://host:99999"]}, "should be ldaps://host"),
        ({"servers": ["ldaps://host/dc=x"]}, "should be ldaps://host"),
        ({"bind_dn": ""}, "needs both bind_dn and bind_password"),
        ({"bind_password": None}, "needs both bind_dn and bind_password"),
        ({"bind_template": "uid=alice"}, "should be a DN with"),
        ({"bind_template": "uid={user},dc=x"}, "should be a DN with"),
        ({"people": {"filter": "(objectClass=person"}}, "should be a filter"),
        ({"people": {"address": "ma il"}}, "should be the name of an attribute"),
        ({"people": {"enabled": "!!x"}}, "should be the name of an attribute"),
        ({"group_members": ["member:"]}, "should be an attribute, or one with a rule"),
        ({"domains": ["a b"]}, "should be a domain"),
        ({"timeout": 10}, "less than or equal to 9"),
    ],
)
def test_what_cannot_be_is_said_at_once(slapd: Slapd, wrong: dict[str, object], why: str) -> None:
    table = slapd.settings() | {"bind_dn": HUB[0]} | wrong
    with pytest.raises(ValueError, match=why):
        Settings.model_validate(table)


@pytest.mark.parametrize("content", [None, "no certificate\n"])
async def test_a_file_without_certificates_stops_the_start(
    plugin_scope: PluginScope, slapd: Slapd, tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "authorities.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ValueError, match=r"the certificates in ca_file .*authorities\.pem cannot be used"):
        await opened(plugin_scope, slapd, ca_file=str(file))


async def test_a_directory_serves_domains(plugin_scope: PluginScope, slapd: Slapd) -> None:
    with pytest.raises(ValueError, match="domains is empty"):
        await opened(plugin_scope, slapd, domains=[])
