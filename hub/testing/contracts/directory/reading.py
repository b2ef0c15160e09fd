"""What every directory answers, whoever fills it."""

from __future__ import annotations

import pytest

from hub.mail.address import Address
from hub.mail.login import AccountRef
from hub.services.directory import Account, Directory
from hub.testing.contracts.directory.world import DOMAIN, ELSEWHERE, at


async def accounts_of(directory: Directory, address: Address) -> set[str]:
    """The addresses of the accounts that mail for an address reaches."""
    resolution = await directory.resolve(address)
    return set() if resolution is None else {str(account.address) for account in resolution.accounts}


async def forwards_of(directory: Directory, address: Address) -> set[str]:
    """The addresses elsewhere that mail for an address is sent on to."""
    resolution = await directory.resolve(address)
    return set() if resolution is None else set(map(str, resolution.forwards))


async def account_of(directory: Directory, login: str) -> Account:
    """The account of somebody who is there."""
    account = await directory.account(login)
    assert account is not None
    return account


class DirectoryReadingContract:
    """Inherit it and give `world`: a directory that holds `WORLD`."""

    @pytest.fixture
    async def world(self) -> Directory:
        raise NotImplementedError("the contract is inherited, with a fixture of its own")

    # -- domains ------------------------------------------------------------------------------

    async def test_its_domains_are_local_and_no_others(self, world: Directory) -> None:
        for domain in (DOMAIN, "EXAMPLE.Test", "another.test", "empty.test"):
            assert await world.is_local(domain), domain
        for domain in ("sub." + DOMAIN, "elsewhere.test", "test", "", "a b", "a\0.test", "x" * 300):
            assert not await world.is_local(domain), domain

    async def test_a_domain_is_one_in_all_its_spellings(self, world: Directory) -> None:
        for domain in ("bücher.test", "xn--bcher-kva.test", "BÜCHER.test"):
            assert await world.is_local(domain)
            resolution = await world.resolve(at("alice", domain))
            assert resolution is not None
            (account,) = resolution.accounts
            assert account.address.ascii_domain == "xn--bcher-kva.test"

    # -- accounts -----------------------------------------------------------------------------

    async def test_an_account_is_found_again_by_what_the_store_knows_it_by(self, world: Directory) -> None:
        alice = await account_of(world, "alice@example.test")
        assert await world.account_of(alice.ref) == alice
        for key in ("nobody", "", "\x00", "*", "x" * 1000):
            assert await world.account_of(AccountRef(alice.ref.tenant, key)) is None
        assert await world.account_of(AccountRef("elsewhere", alice.ref.key)) is None

    async def test_everybody_is_found_by_their_address(self, world: Directory) -> None:
        alice = await account_of(world, "alice@example.test")
        assert await world.account("ALICE@Example.TEST") == alice
        for login in ("mallory@example.test", "alice@elsewhere.test", "", "@", "alice@", "\x00", "a" * 1000):
            assert await world.account(login) is None, login

    async def test_an_account_is_what_was_written_down(self, world: Directory) -> None:
        alice = await account_of(world, "alice@example.test")
        assert (alice.address, alice.name, alice.quota, alice.enabled) == (at("alice"), "Alice", None, True)
        assert alice.ref.tenant == "default"
        assert (await account_of(world, "quinn@example.test")).quota == 1000
        assert not (await account_of(world, "dora@example.test")).enabled

    async def test_everybody_has_a_key_of_their_own(self, world: Directory) -> None:
        logins = ("alice@example.test", "bob@example.test", "carol@another.test", "alice@bücher.test")
        assert len({(await account_of(world, login)).ref for login in logins}) == len(logins)

    # -- where mail goes ----------------------------------------------------------------------

    async def test_mail_arrives_in_any_case_of_letters(self, world: Directory) -> None:
        alice = await account_of(world, "alice@example.test")
        for address in (at("alice"), at("ALICE"), at("Alice", "EXAMPLE.test")):
            resolution = await world.resolve(address)
            assert resolution is not None
            assert resolution.accounts == (alice,)
            assert resolution.forwards == ()

    async def test_unknown_addresses_lead_to_nobody(self, world: Directory) -> None:
        unknown = ("mallory", "ali", "*", "al*", "alice)(mail=*", "al\0ice", "\\2a", "a" * 64, "álice")
        for address in (*map(at, unknown), at("alice", "elsewhere.test"), Address("alice", "")):
            assert await world.resolve(address) is None, address

    async def test_an_alias_leads_to_all_of_its_targets(self, world: Directory) -> None:
        assert await accounts_of(world, at("All")) == {"alice@example.test", "bob@example.test"}
        assert await forwards_of(world, at("all")) == {"friend@elsewhere.test"}

    async def test_aliases_lead_to_aliases(self, world: Directory) -> None:
        assert await accounts_of(world, at("one")) == {"alice@example.test", "bob@example.test"}
        assert await forwards_of(world, at("one")) == {"friend@elsewhere.test"}

    async def test_no_more_than_ten_aliases_are_followed(self, world: Directory) -> None:
        assert await accounts_of(world, at("a2")) == {"alice@example.test"}
        assert await world.resolve(at("a0")) is None

    async def test_a_loop_of_aliases_ends(self, world: Directory) -> None:
        assert await accounts_of(world, at("loop")) == {"alice@example.test"}
        assert await world.resolve(at("self")) is None

    async def test_a_tag_is_taken_off_an_address_that_is_not_there(self, world: Directory) -> None:
        assert await accounts_of(world, at("alice+news")) == {"alice@example.test"}
        assert await accounts_of(world, at("ALICE+")) == {"alice@example.test"}
        assert await accounts_of(world, at("team+2026")) == {"bob@example.test"}
        assert await forwards_of(world, at("team+2026")) == {"friend@elsewhere.test"}
        assert await accounts_of(world, at("bob+own")) == {"bob+own@example.test"}
        assert await accounts_of(world, at("bob+other")) == {"bob@example.test"}
        assert await world.resolve(at("mallory+news")) is None
        assert await world.resolve(at("+alice")) is None

    async def test_a_catch_all_gets_what_is_nobodys(self, world: Directory) -> None:
        assert await accounts_of(world, at("anything", "catch.test")) == {"bob@example.test"}
        assert await accounts_of(world, at("any+thing", "catch.test")) == {"bob@example.test"}
        assert await accounts_of(world, at("dave", "catch.test")) == {"dave@catch.test"}
        assert await accounts_of(world, at("dave+tag", "catch.test")) == {"dave@catch.test"}

    async def test_a_disabled_account_gets_nothing_and_nobody_else_gets_it(self, world: Directory) -> None:
        assert await world.resolve(at("dora")) is None
        assert await world.resolve(at("dora+tag")) is None
        assert await world.resolve(at("eve", "catch.test")) is None
        assert await accounts_of(world, at("everybody")) == {"bob@example.test"}

    # -- postmaster (RFC 5321 §4.5.1) ---------------------------------------------------------

    async def test_postmaster_leads_to_somebody_of_the_domain(self, world: Directory) -> None:
        (found,) = await accounts_of(world, at("PostMaster"))
        assert found.endswith("@example.test")
        assert await accounts_of(world, at("postmaster", "another.test")) == {"carol@another.test"}
        assert await accounts_of(world, at("postmaster", "post.test")) == {"postmaster@post.test"}
        assert await accounts_of(world, at("postmaster", "postalias.test")) == {"bob@example.test"}

    async def test_postmaster_leads_to_somebody_elsewhere_where_nobody_reads(self, world: Directory) -> None:
        for address in (
            at("postmaster", "empty.test"),
            at("postmaster", "off.test"),
            Address("postmaster", ""),
        ):
            resolution = await world.resolve(address)
            assert resolution is not None, address
            assert all(account.enabled for account in resolution.accounts)

    # -- who may send as whom -----------------------------------------------------------------

    async def test_who_gets_the_answers_may_send(self, world: Directory) -> None:
        bob = (await account_of(world, "bob@example.test")).ref
        for local in ("bob", "BOB", "bob+tag", "sales", "sales+x", "team"):
            assert await world.may_send_as(bob, at(local)), local
        assert await world.may_send_as(bob, at("anything", "catch.test"))
        for address in (at("alice"), at("alice+bob"), at("mallory"), ELSEWHERE, Address("bob", "")):
            assert not await world.may_send_as(bob, address), address
        assert not await world.may_send_as(bob, at("dave", "catch.test"))

    async def test_who_is_not_there_sends_as_nobody(self, world: Directory) -> None:
        alice = await account_of(world, "alice@example.test")
        for ref in (AccountRef("default", "unknown"), AccountRef("another", alice.ref.key)):
            assert not await world.may_send_as(ref, alice.address)
