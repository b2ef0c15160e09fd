"""What a directory that the hub may change does with changes."""

from __future__ import annotations

import pytest

from hub.mail.address import Address
from hub.services.directory import Account, Alias, Directory, DirectoryAdmin
from hub.testing.contracts.directory.reading import DirectoryReadingContract, accounts_of
from hub.testing.contracts.directory.world import DOMAIN, ELSEWHERE, PASSWORD, WORLD, at


class DirectoryContract(DirectoryReadingContract):
    """Inherit it and give `directory`: an empty one."""

    @pytest.fixture
    async def directory(self) -> DirectoryAdmin:
        raise NotImplementedError("the contract is inherited, with a fixture of its own")

    @pytest.fixture
    async def world(self, directory: DirectoryAdmin) -> Directory:
        """Filled by the changes that this contract is about."""
        for domain in WORLD.domains:
            await directory.add_domain(domain)
        for person in WORLD.people:
            made = await directory.add_account(person.address, PASSWORD, name=person.name, quota=person.quota)
            if not person.enabled:
                await directory.change_account(made.address, enabled=False)
        for alias in WORLD.aliases:
            await directory.add_alias(alias)
        return directory

    @pytest.fixture
    async def alice(self, directory: DirectoryAdmin) -> Account:
        """An account in a domain."""
        await directory.add_domain(DOMAIN)
        return await directory.add_account(at("alice"), "wonderland", name="Alice")

    @pytest.fixture
    async def bob(self, directory: DirectoryAdmin, alice: Account) -> Account:
        """Another one."""
        return await directory.add_account(at("bob"), "builder")

    # -- domains ------------------------------------------------------------------------------

    async def test_a_domain_is_local_once_it_was_added(self, directory: DirectoryAdmin) -> None:
        assert not await directory.is_local(DOMAIN)
        await directory.add_domain(DOMAIN)
        assert await directory.is_local(DOMAIN)
        assert await directory.is_local("EXAMPLE.Test")
        assert not await directory.is_local("sub." + DOMAIN)
        assert not await directory.is_local("")

    async def test_a_domain_is_one_in_both_its_spellings(self, directory: DirectoryAdmin) -> None:
        await directory.add_domain("bücher.test")
        await directory.add_account(at("alice", "xn--bcher-kva.test"), "wonderland")
        assert await directory.is_local("xn--bcher-kva.test")
        assert await directory.is_local("BÜCHER.test")
        assert await directory.resolve(at("alice", "bücher.test")) is not None
        assert await directory.resolve(at("alice", "xn--bcher-kva.test")) is not None
        with pytest.raises(ValueError, match="already"):
            await directory.add_domain("xn--bcher-kva.test")

    async def test_domains_are_listed_with_their_tenants(self, directory: DirectoryAdmin) -> None:
        await directory.add_domain("b.test")
        await directory.add_domain("a.test", "acme")
        assert list(await directory.domains()) == [("a.test", "acme"), ("b.test", "default")]

    @pytest.mark.parametrize(
        "domain", ["", "a b", "-a.test", "a..test", "a" * 64 + ".test", "@a.test", "a\x00.test"]
    )
    async def test_what_is_no_domain_is_refused(self, directory: DirectoryAdmin, domain: str) -> None:
        with pytest.raises(ValueError, match=r"\w+ \w+"):
            await directory.add_domain(domain)
        assert list(await directory.domains()) == []

    async def test_a_domain_in_use_is_not_removed(self, directory: DirectoryAdmin, alice: Account) -> None:
        with pytest.raises(ValueError, match=r"alice@example\.test"):
            await directory.remove_domain(DOMAIN)
        await directory.remove_account(alice.address)
        await directory.add_alias(Alias(at("sales"), (ELSEWHERE,)))
        with pytest.raises(ValueError, match=r"sales@example\.test"):
            await directory.remove_domain(DOMAIN)
        await directory.remove_alias(at("sales"))
        await directory.remove_domain(DOMAIN)
        assert not await directory.is_local(DOMAIN)
        with pytest.raises(LookupError):
            await directory.remove_domain(DOMAIN)

    async def test_an_account_needs_its_domain(self, directory: DirectoryAdmin) -> None:
        with pytest.raises(LookupError, match=r"example\.test"):
            await directory.add_account(at("alice"), "wonderland")
        with pytest.raises(LookupError, match=r"example\.test"):
            await directory.add_alias(Alias(at("alice"), (ELSEWHERE,)))

    # -- accounts -----------------------------------------------------------------------------

    async def test_an_account_keeps_what_it_was_given(
        self, directory: DirectoryAdmin, alice: Account
    ) -> None:
        assert (alice.name, alice.quota, alice.enabled, alice.ref.tenant) == ("Alice", None, True, "default")
        changed = await directory.change_account(
            alice.address, name="Alice Liddell", quota=1000, enabled=False
        )
        assert changed == Account(alice.ref, alice.address, "Alice Liddell", 1000, False)
        assert await directory.account("alice@example.test") == changed
        again = await directory.change_account(alice.address, quota=0)
        assert (again.name, again.quota, again.enabled) == ("Alice Liddell", None, False)

    async def test_an_account_may_have_a_quota_of_messages(
        self, directory: DirectoryAdmin, alice: Account
    ) -> None:
        assert alice.message_quota is None
        changed = await directory.change_account(alice.address, message_quota=20)
        assert (changed.quota, changed.message_quota) == (None, 20)
        carol = await directory.add_account(at("carol"), "carols", quota=1000, message_quota=3)
        assert (carol.quota, carol.message_quota) == (1000, 3)
        assert await directory.account_of(carol.ref) == carol
        assert (await directory.change_account(alice.address, message_quota=0)).message_quota is None
        with pytest.raises(ValueError, match="messages"):
            await directory.change_account(alice.address, message_quota=-1)

    async def test_an_address_is_taken_once(self, directory: DirectoryAdmin, alice: Account) -> None:
        with pytest.raises(ValueError, match="already"):
            await directory.add_account(at("ALICE"), "other")
        await directory.add_alias(Alias(at("sales"), (alice.address,)))
        with pytest.raises(ValueError, match="alias"):
            await directory.add_account(at("sales"), "other")
        with pytest.raises(ValueError, match="account"):
            await directory.add_alias(Alias(at("alice"), (ELSEWHERE,)))

    async def test_accounts_are_listed_by_address(
        self, directory: DirectoryAdmin, bob: Account, alice: Account
    ) -> None:
        await directory.add_domain("another.test")
        carol = await directory.add_account(at("carol", "another.test"), "carols")
        assert list(await directory.accounts()) == [carol, alice, bob]
        assert list(await directory.accounts(DOMAIN)) == [alice, bob]
        with pytest.raises(LookupError):
            await directory.accounts("unknown.test")

    async def test_what_is_not_there_cannot_be_changed(
        self, directory: DirectoryAdmin, alice: Account
    ) -> None:
        with pytest.raises(LookupError, match=r"alcie@example\.test"):
            await directory.set_password(at("alcie"), "x")
        with pytest.raises(LookupError, match=r"alcie@example\.test"):
            await directory.change_account(at("alcie"), name="x")
        with pytest.raises(LookupError, match=r"alcie@example\.test"):
            await directory.remove_account(at("alcie"))
        with pytest.raises(LookupError, match=r"alcie@example\.test"):
            await directory.remove_alias(at("alcie"))

    async def test_a_new_account_of_an_old_address_is_somebody_else(
        self, directory: DirectoryAdmin, alice: Account
    ) -> None:
        await directory.remove_account(alice.address)
        assert await directory.resolve(alice.address) is None
        assert await directory.account("alice@example.test") is None
        assert await directory.account_of(alice.ref) is None
        new = await directory.add_account(alice.address, "wonderland")
        assert new.ref != alice.ref

    @pytest.mark.parametrize("quota", [-1, 1 << 63])
    async def test_a_quota_is_a_number_of_octets(
        self, directory: DirectoryAdmin, alice: Account, quota: int
    ) -> None:
        with pytest.raises(ValueError, match="quota"):
            await directory.change_account(alice.address, quota=quota)
        with pytest.raises(ValueError, match="quota"):
            await directory.add_account(at("bob"), "builder", quota=quota)
        assert await directory.resolve(at("bob")) is None

    async def test_an_empty_password_is_refused(self, directory: DirectoryAdmin, alice: Account) -> None:
        with pytest.raises(ValueError, match="password"):
            await directory.add_account(at("bob"), "")
        with pytest.raises(ValueError, match="password"):
            await directory.set_password(alice.address, "")

    async def test_a_hash_of_an_unknown_kind_is_refused(
        self, directory: DirectoryAdmin, alice: Account
    ) -> None:
        with pytest.raises(ValueError, match="hash"):
            await directory.add_account(at("bob"), None, password_hash="builder")

    # -- where mail goes ----------------------------------------------------------------------

    async def test_an_alias_replaces_one_of_the_same_address(
        self, directory: DirectoryAdmin, bob: Account
    ) -> None:
        await directory.add_alias(Alias(at("sales"), (at("alice"),)))
        assert await accounts_of(directory, at("sales")) == {"alice@example.test"}
        await directory.add_alias(Alias(at("Sales"), (at("bob"),)))
        assert await accounts_of(directory, at("sales")) == {"bob@example.test"}
        assert list(await directory.aliases()) == [Alias(at("Sales"), (at("bob"),))]
        await directory.remove_alias(at("sales"))
        assert await directory.resolve(at("sales")) is None

    async def test_aliases_are_listed_by_address(self, directory: DirectoryAdmin, alice: Account) -> None:
        await directory.add_domain("another.test")
        listed = [
            Alias(at("x", "another.test"), (ELSEWHERE,)),
            Alias(at("*"), (alice.address,)),
            Alias(at("sales"), (ELSEWHERE, alice.address)),
        ]
        for alias in reversed(listed):
            await directory.add_alias(alias)
        assert list(await directory.aliases()) == listed
        assert list(await directory.aliases(DOMAIN)) == listed[1:]

    async def test_an_alias_leads_somewhere(self, directory: DirectoryAdmin, alice: Account) -> None:
        with pytest.raises(ValueError, match="alias"):
            await directory.add_alias(Alias(at("sales"), ()))

    async def test_the_catch_all_gets_what_nobody_else_does(
        self, directory: DirectoryAdmin, bob: Account
    ) -> None:
        await directory.add_alias(Alias(at("*"), (at("bob"),)))
        assert await accounts_of(directory, at("anything")) == {"bob@example.test"}
        assert await accounts_of(directory, at("any+thing")) == {"bob@example.test"}
        assert await accounts_of(directory, at("alice")) == {"alice@example.test"}
        assert await accounts_of(directory, at("alice+tag")) == {"alice@example.test"}
        with pytest.raises(ValueError, match="catch-all"):
            await directory.add_account(at("*"), "star")

    async def test_a_disabled_account_gets_no_mail_and_nobody_gets_it_instead(
        self, directory: DirectoryAdmin, bob: Account
    ) -> None:
        await directory.add_alias(Alias(at("*"), (at("bob"),)))
        await directory.add_alias(Alias(at("all"), (at("alice"), at("bob"))))
        await directory.change_account(at("alice"), enabled=False)
        assert await directory.resolve(at("alice")) is None
        assert await directory.resolve(at("alice+tag")) is None
        assert await accounts_of(directory, at("all")) == {"bob@example.test"}
        await directory.change_account(at("alice"), enabled=True)
        assert await accounts_of(directory, at("alice")) == {"alice@example.test"}

    # -- postmaster (RFC 5321 §4.5.1) ---------------------------------------------------------

    async def test_postmaster_leads_to_the_first_account_of_the_domain(
        self, directory: DirectoryAdmin, bob: Account
    ) -> None:
        await directory.add_domain("another.test")
        assert await accounts_of(directory, at("PostMaster")) == {"alice@example.test"}
        assert await accounts_of(directory, at("postmaster", "another.test")) == {"alice@example.test"}
        assert await accounts_of(directory, Address("postmaster", "")) == {"alice@example.test"}
        await directory.add_account(at("carol", "another.test"), "carols")
        assert await accounts_of(directory, at("postmaster", "another.test")) == {"carol@another.test"}
        await directory.change_account(at("alice"), enabled=False)
        assert await accounts_of(directory, at("postmaster")) == {"bob@example.test"}
        await directory.change_account(at("bob"), enabled=False)
        assert await accounts_of(directory, at("postmaster")) == {"carol@another.test"}

    async def test_postmaster_may_be_an_alias_or_an_account(
        self, directory: DirectoryAdmin, bob: Account
    ) -> None:
        await directory.add_alias(Alias(at("postmaster"), (at("bob"),)))
        assert await accounts_of(directory, at("postmaster")) == {"bob@example.test"}
        assert await accounts_of(directory, Address("Postmaster", "")) == {"bob@example.test"}
        await directory.change_account(at("bob"), enabled=False)
        assert await accounts_of(directory, at("postmaster")) == {"alice@example.test"}
        await directory.remove_alias(at("postmaster"))
        await directory.add_account(at("postmaster"), "master")
        assert await accounts_of(directory, at("postmaster")) == {"postmaster@example.test"}

    async def test_without_accounts_there_is_no_postmaster(self, directory: DirectoryAdmin) -> None:
        await directory.add_domain(DOMAIN)
        assert await directory.resolve(at("postmaster")) is None
        assert await directory.resolve(Address("postmaster", "")) is None
