"""`[plugins.auth-ldap]`: which servers, and what their entries mean."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from sansldap import LDAPFilter

from hub import AddressError, Duration, Secret, Size
from hub_plugin_auth_ldap.names import PLACEHOLDER, domain_id

DEFAULT_PORTS: Final = {"ldap": 389, "ldaps": 636}
_ATTRIBUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)+")
_MATCHED: Final = re.compile(rf"(?:{_ATTRIBUTE.pattern})(?::(?:\d+(?:\.\d+)+|[A-Za-z][A-Za-z0-9-]*):)?")


def _attribute(text: str) -> str:
    if not _ATTRIBUTE.fullmatch(text):
        raise ValueError(f"should be the name of an attribute, such as mail, not {text!r}")
    return text


def _matched(text: str) -> str:
    if not _MATCHED.fullmatch(text):
        raise ValueError(f"should be an attribute, or one with a rule such as member:1.2.3:, not {text!r}")
    return text


def _switch(text: str) -> str:
    _attribute(text.removeprefix("!"))
    return text


def _filter(text: str) -> str:
    try:
        LDAPFilter.from_string(text)
    except ValueError as error:
        raise ValueError(f"should be a filter such as (objectClass=person): {error}") from None
    return text


def _server(text: str) -> str:
    parts = urlsplit(text)
    try:
        known = parts.scheme in DEFAULT_PORTS and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        known = False
    if not known or parts.path not in ("", "/") or parts.username or parts.query or parts.fragment:
        raise ValueError(f"should be ldaps://host, ldap://host or either with a :port, not {text}")
    return text


def _domain(text: str) -> str:
    try:
        return domain_id(text)
    except AddressError as error:
        raise ValueError(f"should be a domain such as example.org: {error}") from None


def _template(text: str) -> str:
    rest, places = PLACEHOLDER.subn("", text)
    if not places or "{" in rest or "}" in rest or "=" not in rest:
        raise ValueError("should be a DN with {login}, {local} or {domain}: uid={local},ou=people,dc=example")
    return text


Attribute: TypeAlias = Annotated[str, AfterValidator(_attribute)]
Matched: TypeAlias = Annotated[str, AfterValidator(_matched)]
Switch: TypeAlias = Annotated[str, AfterValidator(_switch)]
Filter: TypeAlias = Annotated[str, AfterValidator(_filter)]
Server: TypeAlias = Annotated[str, AfterValidator(_server)]
Domain: TypeAlias = Annotated[str, AfterValidator(_domain)]
Template: TypeAlias = Annotated[str, AfterValidator(_template)]


class People(BaseModel):
    """[plugins.auth-ldap.people]: which entries are accounts, and what their attributes mean."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    filter: Filter = Field(default="(objectClass=inetOrgPerson)", description="Which entries are accounts.")
    key: Attribute = Field(
        default="entryUUID",
        description="What never changes about an entry: its mail is stored under that. AD: objectGUID.",
    )
    address: Attribute = Field(default="mail", description="The account's address; of several, the first.")
    aliases: tuple[Attribute, ...] = Field(
        default=(), description="Where further addresses stand, such as mailLocalAddress or proxyAddresses."
    )
    logins: tuple[Attribute, ...] = Field(
        default=("mail", "uid"), min_length=1, description="What one may log in by. AD: userPrincipalName."
    )
    name: Attribute = Field(default="cn", description="The person's name.")
    quota: Attribute | None = Field(default=None, description="The attribute with the mailbox's limit.")
    quota_unit: Size = Field(default=1, ge=1, description="What a bare number in it counts, such as 1KiB.")
    enabled: Switch | None = Field(
        default=None,
        description="An attribute that is FALSE for who is disabled; with ! before it, one that is TRUE. "
        "AD: userAccountControl.",
    )


class Lists(BaseModel):
    """[plugins.auth-ldap.lists]: entries that lead to others: aliases and groups with an address."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    filter: Filter = Field(description="Which entries are lists, such as (objectClass=groupOfNames).")
    addresses: tuple[Attribute, ...] = Field(
        default=("mail",), min_length=1, description="Where their addresses stand."
    )
    members: tuple[Attribute, ...] = Field(
        default=("member",), min_length=1, description="Where members stand, by DN or by address."
    )


class Settings(BaseModel):
    """[plugins.auth-ldap]: which servers are asked, how they are trusted, and where entries lie."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    servers: tuple[Server, ...] = Field(
        min_length=1, description="Asked in this order: ldaps://host or ldap://host, with a :port if need be."
    )
    starttls: bool = Field(
        default=True,
        description="Whether ldap:// goes on encrypted (StartTLS) or not at all; false: in the clear.",
    )
    ca_file: Path | None = Field(
        default=None, description="The certificates that servers' are checked by; without it the system's."
    )
    timeout: Annotated[Duration, Field(gt=0, le=9)] = Field(
        default=3.0, description="How long one server has, connecting included, before the next is asked."
    )
    connections: int = Field(
        default=4,
        ge=1,
        le=100,
        description="To each server, per worker: for lookups, and as many for logins.",
    )
    bind_dn: str = Field(default="", description="Who looks entries up; empty: anonymously.")
    bind_password: Secret | None = Field(default=None, description="Its password.")
    bind_template: Template | None = Field(
        default=None, description="The DN that people log in as, instead of looking it up first."
    )
    base: str = Field(description="Below which entry people, and lists, are looked for.")
    domains: tuple[Domain, ...] = Field(
        default=(), description="Whose mail is the hub's; needed where this is the hub's directory."
    )
    tenant: str = Field(default="default", min_length=1, description="The tenant of these domains.")
    people: People = Field(default=People(), description="How entries of people are found and read.")
    lists: Lists | None = Field(default=None, description="Without it there are none.")
    required_groups: tuple[str, ...] = Field(
        default=(), description="DNs of groups; who is in none of them does not log in."
    )
    group_members: tuple[Matched, ...] = Field(
        default=("member", "uniqueMember"),
        min_length=1,
        description="Where the members of those groups stand, by DN.",
    )
    cache: Annotated[Duration, Field(ge=0, le=3600)] = Field(
        default=10.0, description="How long the answer to a lookup is kept; a login is never."
    )

    @model_validator(mode="after")
    def _binds_with_a_password(self) -> Settings:
        password = "" if self.bind_password is None else self.bind_password.reveal()
        if bool(self.bind_dn) != bool(password):
            raise ValueError("needs both bind_dn and bind_password, or neither for anonymous lookups")
        return self
