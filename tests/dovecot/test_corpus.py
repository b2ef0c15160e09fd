"""What FETCH makes of malformed and multilingual messages is what Dovecot makes of it, or explained."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.corpus.messages import MESSAGES
from tests.dovecot.client import Ended, Session
from tests.dovecot.differences import GONE, levelled
from tests.dovecot.explained import EXPLAINED
from tests.dovecot.mail import literal
from tests.dovecot.observed import Observed, observed
from tests.dovecot.oracle import Oracle
from tests.dovecot.parser import Value
from tests.dovecot.script import Step

FIRST = (
    b"FETCH 1 (RFC822.SIZE ENVELOPE BODY BODYSTRUCTURE BODY.PEEK[] BODY.PEEK[HEADER] BODY.PEEK[TEXT]"
    b" RFC822.HEADER)"
)
FIELDS = b"BODY.PEEK[HEADER.FIELDS (Subject From X-More)] BODY.PEEK[HEADER.FIELDS.NOT (Subject From)]"
OF_A_PART = b"BODY.PEEK[%b] BODY.PEEK[%b.MIME] BODY.PEEK[%b]<3.5>"
OF_A_MESSAGE = b" BODY.PEEK[%b.HEADER] BODY.PEEK[%b.TEXT]"
Told = dict[str, object]


@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.timeout(60)
def test_a_message_is_read_as_dovecot_reads_it(oracle: Oracle, name: str) -> None:
    ours, theirs = read(oracle, MESSAGES[name])
    assert GONE not in ours.values()
    keys = ours.keys() | theirs.keys()
    differing = {key: (ours.get(key), theirs.get(key)) for key in keys if ours.get(key) != theirs.get(key)}
    explained = [each for each in EXPLAINED if name in each.messages]
    left = {key: both for key, both in differing.items() if not any(each.covers(key) for each in explained)}
    assert not left
    assert differing or not explained, "what is explained is no difference any more"


def read(oracle: Oracle, message: bytes) -> tuple[Told, Told]:
    """All that FETCH tells of it, by both. Paths are those of Dovecot's structure."""
    sessions = [server.session() for server in (oracle.ours, oracle.theirs)]
    try:
        for session in sessions:
            session.ask("DELETE corpus")
            session.ok("CREATE corpus")
            session.ok(b"APPEND corpus " + literal(message))
            session.ok("EXAMINE corpus")
        told = [fetched(session, FIRST) for session in sessions]
        paths = list(parts(told[1]["BODY"], ()))[:30]
        binary = "BINARY" in sessions[0].capabilities()
        for session, found in zip(sessions, told, strict=True):
            found.update(fetched(session, b"FETCH 1 (%b)" % FIELDS))
            for path, is_message in paths:
                found.update(fetched(session, b"FETCH 1 (%b)" % wanted(path, is_message=is_message)))
                if binary and not is_message:
                    command = b"FETCH 1 (BINARY.PEEK[%b] BINARY.SIZE[%b])" % (path, path)
                    found.update(fetched(session, command, b" " + path))
        ours, theirs = (dict[str, object](messages={0: each}) for each in told)
        ours, theirs = levelled(Step(0, FIRST), ours, theirs, lambda what: None)
        return message_of(ours), message_of(theirs)
    finally:
        for session in sessions:
            session.close()


def message_of(answer: Observed) -> Told:
    """What an answer tells of the one message."""
    messages = answer["messages"]
    assert isinstance(messages, dict)
    return dict(messages.get(0, {}))


def wanted(path: bytes, *, is_message: bool) -> bytes:
    """What a part has."""
    items = OF_A_PART.replace(b"%b", path)
    return items + OF_A_MESSAGE.replace(b"%b", path) if is_message else items


def fetched(session: Session, command: bytes, about: bytes = b"") -> Told:
    """Attributes and their values; a NO is told too."""
    try:
        answer = session.ask(command)
    except Ended:
        return {"condition" + about.decode(): GONE}
    found = message_of(observed(answer, session.known, b"corpus"))
    found.pop("UID", None)  # Dovecot has told it before it says NO
    if answer.condition != "OK":
        found["condition" + about.decode()] = answer.condition
    return found


def parts(structure: Value | object, path: tuple[int, ...]) -> Iterator[tuple[bytes, bool]]:
    """The section numbers of a BODY, and whether each is a message (RFC 3501 §6.4.5)."""
    assert isinstance(structure, tuple)
    if isinstance(structure[0], tuple):
        for number, child in enumerate(structure[0], 1):
            yield from parts_of_child(child, (*path, number))
    else:
        yield from parts_of_child(structure, (*path, 1))


def parts_of_child(child: Value | object, path: tuple[int, ...]) -> Iterator[tuple[bytes, bool]]:
    """A part and what is below it."""
    assert isinstance(child, tuple)
    is_message = child[:2] == (b"message", b"rfc822") and len(child) > 8
    yield b".".join([b"%d" % number for number in path]), is_message
    if isinstance(child[0], tuple):
        yield from parts(child, path)
    elif is_message:
        yield from parts(child[8], path)
