"""Mailboxes and paths: what RFC 5321 allows is read, everything else is refused with a reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.mail.address import MAX_PATH, Address, AddressError, parse_path


@pytest.mark.parametrize(
    ("argument", "address", "rest"),
    [
        (b"<alice@Example.ORG>", Address("alice", "example.org"), b""),
        (
            b" <alice@example.org>  SIZE=10 BODY=8BITMIME ",
            Address("alice", "example.org"),
            b"SIZE=10 BODY=8BITMIME",
        ),
        (b"<>", None, b""),
        (b"<> SIZE=3", None, b"SIZE=3"),
        (b"<Postmaster>", Address("postmaster", ""), b""),
        (b"<@relay.example,@b.example:carol@example.org>", Address("carol", "example.org"), b""),
        (b'<"a b\\"c\\\\>@,"@example.org>', Address('a b"c\\>@,', "example.org"), b""),
        (b'<"plain"@example.org>', Address("plain", "example.org"), b""),
        (b'<""@example.org>', Address("", "example.org"), b""),
        (b"<a@[127.0.0.1]>", Address("a", "[127.0.0.1]"), b""),
        (b"<a@[IPv6:2001:DB8::1]>", Address("a", "[ipv6:2001:db8::1]"), b""),
        (b"<!#$%&'*+/=?^_`{|}~-@a_b.example>", Address("!#$%&'*+/=?^_`{|}~-", "a_b.example"), b""),
    ],
)
def test_a_path_gives_address_and_parameters(argument: bytes, address: Address | None, rest: bytes) -> None:
    assert parse_path(argument) == (address, rest)


@pytest.mark.parametrize(
    ("argument", "reason"),
    [
        (b"", "angle brackets"),
        (b"alice@example.org", "angle brackets"),
        (b"<", "missing"),
        (b"<<", "starts with '<'"),
        (b"<a@b", "closing >"),
        (b"<alice>", "no @domain"),
        (b"<alice", "no @domain"),
        (b"<@example.org>", "source route"),
        (b"<@a.example,b.example:c@d>", "source route"),
        (b"<@a.example:>", "local part"),
        (b"<alice@>", "domain, after the @, is missing"),
        (b'<"alice@example.org>', "not closed"),
        (b'<"alice\\"@example.org>', "not closed"),
        (b'<"a"b@example.org>', "expected @"),
        (b"<a@b>x", "expected a space after >"),
        (b"<a@b>>", "expected a space after >"),
        (b"<a@b c>", "expected > after the address, found a space"),
        (b"<a@b@c>", "expected >"),
        (b"<.a@b>", "needs quotes"),
        (b"<a.@b>", "expected @"),
        (b"<a..b@c>", "expected @"),
        (b"<a@b..c>", "dot too many"),
        (b"<a@b.>", "dot too many"),
        (b"<a@-b>", "hyphen"),
        (b"<a@b-.c>", "hyphen"),
        (b"<a\x00@b>", "0x00"),
        (b'<"a\r\nb"@c>', "0x0d"),
        (b"<a@b\x7f>", "0x7f"),
        (b"<a@[127.0.0.1>", "not closed with ]"),
        (b"<a@[300.0.0.1]>", "address literal"),
        (b"<a@[IPv6:fe80::1%eth0]>", "address literal"),
        (b"<a@[x:y]>", "address literal"),
        (b"<" + b"a" * 65 + b"@b>", "longer than 64"),
        (b"<a@" + b"b" * 64 + b">", "label"),
        (b"<a@" + b"b.c" * 90 + b">", "longer than 255"),
        ("<ä@example.org>".encode(), "SMTPUTF8"),
    ],
)
def test_what_is_no_path_is_refused_with_a_reason(argument: bytes, reason: str) -> None:
    with pytest.raises(AddressError) as refusal:
        parse_path(argument)
    message = str(refusal.value)
    assert reason in message
    assert message.isascii()
    assert message.isprintable()


def test_a_path_has_at_most_256_octets() -> None:
    domain = ".".join(["d" * 60] * 4)  # 243 octets
    fits = "a" * (MAX_PATH - len(domain) - 3)
    assert parse_path(f"<{fits}@{domain}>".encode())[0] == Address(fits, domain)
    with pytest.raises(AddressError, match="longer than 256"):
        parse_path(f"<{fits}a@{domain}>".encode())


def test_lengths_count_octets_not_characters() -> None:
    assert parse_path(f"<{'ä' * 32}@example.org>".encode(), utf8=True)
    with pytest.raises(AddressError, match="longer than 64"):
        parse_path(f"<{'ä' * 33}@example.org>".encode(), utf8=True)


def test_utf8_needs_the_flag_and_must_be_valid() -> None:
    address, rest = parse_path("<Jörg@Ödland.example> SMTPUTF8".encode(), utf8=True)
    assert (address, rest) == (Address("Jörg", "ödland.example"), b"SMTPUTF8")
    assert address is not None
    assert address.ascii_domain == "xn--dland-iua.example"
    with pytest.raises(AddressError, match="UTF-8"):
        parse_path(b"<\xff@example.org>", utf8=True)
    with pytest.raises(AddressError, match="0x85"):
        parse_path("<a\x85@example.org>".encode(), utf8=True)
    with pytest.raises(AddressError, match="0x2028"):
        parse_path('<"\u2028"@example.org>'.encode(), utf8=True)


def test_a_domain_without_a_labels_is_refused() -> None:
    with pytest.raises(AddressError, match="IDNA"):
        parse_path(f"<a@{'ä' * 63}.example>".encode(), utf8=True)


def test_parse_reads_a_bare_mailbox_and_nothing_else() -> None:
    assert Address.parse("Bob+x@Example.org") == Address("Bob+x", "example.org")
    assert str(Address.parse("postmaster")) == "postmaster"
    for text in ("<bob@example.org>", "bob@example.org ", "bob", "", "bob@example.org>"):
        with pytest.raises(AddressError):
            Address.parse(text)


def test_domains_compare_without_case_and_local_parts_with_it() -> None:
    assert Address("a", "EXAMPLE.org") == Address("a", "example.ORG")
    assert Address("a", "x") != Address("A", "x")


@pytest.mark.parametrize(
    ("local", "base", "tag"),
    [("user+tag", "user", "tag"), ("user", "user", None), ("user+", "user", ""), ("a+b+c", "a", "b+c"),
     ("+tag", "+tag", None), ("", "", None)],
)  # fmt: skip
def test_a_subaddress_is_split_at_the_first_plus(local: str, base: str, tag: str | None) -> None:
    address = Address(local, "x")
    assert (address.base_local, address.subaddress) == (base, tag)


_LOCALS = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)
_DOMAINS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?(\.[a-z]{1,6}){0,3}", fullmatch=True)


@given(_LOCALS, _DOMAINS)
def test_what_is_printed_reads_back_the_same(local: str, domain: str) -> None:
    address = Address(local, domain)
    assert Address.parse(str(address)) == address
    assert parse_path(f"<{address}> X=1".encode()) == (address, b"X=1")


@given(st.binary(max_size=80) | st.text('<>@"\\. [];:,a\0', max_size=30).map(str.encode), st.booleans())
def test_any_argument_is_either_read_or_refused(argument: bytes, utf8: bool) -> None:
    try:
        address, _ = parse_path(argument, utf8=utf8)
    except AddressError:
        return
    if address is not None:
        assert parse_path(f"<{address}>".encode(), utf8=utf8)[0] == address


def test_a_megabyte_of_anything_is_refused_without_going_back() -> None:
    # Quadratic work on any of these would take minutes and run into the suite's time limit.
    for unit in (b"a.", b"a", b'"', b"\\", b'"\\', b"@a,", b"@a:", b"[", b" ", b"<"):
        for start in (b"<", b'<"', b"<a@", b"<@"):
            with pytest.raises(AddressError):
                parse_path(start + unit * 500_000)
