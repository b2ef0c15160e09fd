"""The domains, accounts and aliases that every directory is asked about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hub.mail.address import Address
from hub.services.directory import Alias

DOMAIN: Final = "example.test"
ELSEWHERE: Final = Address("friend", "elsewhere.test")
PASSWORD: Final = "wonderland"
"""Everybody's, where the directory keeps passwords."""


def at(local: str, domain: str = DOMAIN) -> Address:
    """An address of the domain that the contract works in."""
    return Address(local, domain)


@dataclass(frozen=True, slots=True)
class Person:
    """An account as it is to be made. quota: octets, None is no limit."""

    address: Address
    name: str = ""
    quota: int | None = None
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class World:
    """What a directory holds. Every target of an alias may be an alias, a subaddress or elsewhere."""

    domains: tuple[str, ...]
    people: tuple[Person, ...]
    aliases: tuple[Alias, ...]


def _alias(local: str, *targets: Address, domain: str = DOMAIN) -> Alias:
    return Alias(at(local, domain), targets)


WORLD: Final = World(
    domains=(
        *(DOMAIN, "another.test", "bücher.test", "catch.test"),
        *("empty.test", "off.test", "post.test", "postalias.test"),
    ),
    people=(
        Person(at("alice"), name="Alice"),
        Person(at("bob"), name="Bob"),
        Person(at("bob+own"), name="Bob's own"),
        Person(at("quinn"), name="Quinn", quota=1000),
        Person(at("dora"), name="Dora", enabled=False),
        Person(at("carol", "another.test"), name="Carol"),
        Person(at("alice", "bücher.test"), name="Alice"),
        Person(at("dave", "catch.test"), name="Dave"),
        Person(at("eve", "catch.test"), name="Eve", enabled=False),
        Person(at("olga", "off.test"), name="Olga", enabled=False),
        Person(at("postmaster", "post.test"), name="Master"),
    ),
    aliases=(
        _alias("all", at("alice"), at("bob"), ELSEWHERE),
        _alias("everybody", at("dora"), at("bob")),
        _alias("one", at("two"), at("alice")),
        _alias("two", at("three"), at("alice+tag")),
        _alias("three", at("bob"), ELSEWHERE),
        *(_alias(f"a{number}", at(f"a{number + 1}")) for number in range(11)),
        _alias("a11", at("alice")),
        _alias("loop", at("pool")),
        _alias("pool", at("loop"), at("pool"), at("alice")),
        _alias("self", at("self")),
        _alias("sales", at("team")),
        _alias("team", at("bob"), ELSEWHERE),
        _alias("*", at("bob"), domain="catch.test"),
        _alias("postmaster", at("bob"), domain="postalias.test"),
    ),
)
