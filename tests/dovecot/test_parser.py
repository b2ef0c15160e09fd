"""The oracle's reader takes what the grammar of RFC 3501 §9 allows, and nothing else."""

from __future__ import annotations

import pytest

from tests.dovecot.parser import Malformed, Response, parse


def test_strings_atoms_lists_and_nil_are_told_apart() -> None:
    assert parse(b'* 12 FETCH (FLAGS (\\Seen $A) X "a\\"b" NIL Y {3}\r\n)\r\n Z 7)') == Response(
        "*", ("12", "FETCH", ("FLAGS", ("\\Seen", "$A"), "X", b'a"b', None, "Y", b")\r\n", "Z", "7"))
    )


def test_a_section_is_one_atom() -> None:
    found = parse(b'* 1 FETCH (BODY[1.HEADER.FIELDS (To "a b")]<0> {1}\r\nx BODY[] "")')
    assert found.words[2] == ('BODY[1.HEADER.FIELDS (To "a b")]<0>', b"x", "BODY[]", b"")
    assert (found.name, found.number) == ("FETCH", 1)


def test_a_status_has_a_code_and_a_text() -> None:
    found = parse(b"t1 OK [COPYUID 7 1:2 3:4] It [is] done")
    assert (found.tag, found.name, found.text) == ("t1", "OK", b"It [is] done")
    assert found.code == ("COPYUID", ("7", "1:2", "3:4"))


@pytest.mark.parametrize(
    "octets",
    [
        b"* 1 FETCH (FLAGS ())x",
        b"* 1 FETCH (FLAGS  ())",
        b"* 1 FETCH (FLAGS ()",
        b'* 1 FETCH (X "\xc3\xa9")',
        b'* 1 FETCH (X "a\\b")',
        b'* LIST () "/" ',
        b"* SEARCH 1 2 ",
        b"t1 OK",
        b"t1 OK [UNFINISHED text",
        b"nothing",
    ],
)
def test_what_is_no_response_is_malformed(octets: bytes) -> None:
    with pytest.raises(Malformed):
        parse(octets)
