"""[dns]: whom the hub asks."""

from pydantic import Field

from hub.config.tables.types import Address, DnsName, Flag, IpAddress, Table, TrustAnchor


class DnsTable(Table):
    """[dns]: whom the hub asks."""

    nameservers: tuple[Address, ...] = Field(
        default=(), description="DNS servers in place of the system's, each with its port."
    )
    trusted: Flag | tuple[IpAddress, ...] | None = Field(
        default=None,
        description="Whose word it is that an answer is signed (the AD bit): true for all nameservers, false "
        "for none, or their addresses. Without it, those on loopback. If one is not, the hub validates "
        "answers itself.",
    )
    trust_anchors: tuple[TrustAnchor, ...] = Field(
        default=(),
        description="DS records of keys that are believed as they are, in place of those known of the same "
        'zone: "example.org. DS 12345 13 2 0123…". Those of the root are known.',
    )
    unsigned: tuple[DnsName, ...] = Field(
        default=(),
        description="Names below which nothing is signed, whatever is said above them, such as zones that "
        "only your own nameservers know (RFC 7646).",
    )
