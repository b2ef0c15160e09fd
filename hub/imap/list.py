"""LIST with its extensions: RFC 5258, RFC 5819, RFC 6154, RFC 8440, RFC 9590."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass

from hub.imap.command import Command, State
from hub.imap.enabled import Enabled
from hub.imap.entries import metadata_response
from hub.imap.list_options import ListRequest, read_request
from hub.imap.names import SEPARATOR, matcher
from hub.imap.place import Place, own_use
from hub.imap.places import visible_places
from hub.imap.replies import Reply, ok
from hub.imap.rights import wire_rights
from hub.imap.session import ImapSession
from hub.imap.shared import may_be_foreign
from hub.imap.status import status_response
from hub.imap.tokens import Reader
from hub.services.storage import MailboxMissing


@dataclass(frozen=True, slots=True)
class Listed:
    """One name that LIST tells of. place: None if no mailbox is there. children: what they fulfil, of the
    request's criteria (RFC 5258 §3.5). old: the name that it had until now.
    """

    name: str
    place: Place | None
    attributes: tuple[bytes, ...]
    children: tuple[bytes, ...] = ()
    old: str = ""


async def _list(session: ImapSession, reader: Reader) -> Reply:
    request = read_request(reader)
    if request.patterns == ("",) and not request.extended:  # RFC 3501 §6.3.8: what is the separator?
        session.out.send(b'* LIST (\\Noselect) "/" ""\r\n')
        return ok(b"Listed")
    places = await visible_places(session, foreign=any(map(may_be_foreign, request.patterns)))
    subscribed = set(await session.storage.subscriptions(session.account)) if request.subscribed else set()
    rev2 = Enabled.IMAP4REV2 in session.enabled
    for listed in choose(request, places, subscribed, rev2=rev2):
        session.out.send(list_response(session, listed))
        if listed.place is not None:
            await _tell_more(session, request, listed.place)
        await session.out.flow()
    return ok(b"Listed")


async def _tell_more(session: ImapSession, request: ListRequest, place: Place) -> None:
    """What the return options ask for beside the attributes; nothing of a mailbox that has just gone."""
    try:
        if request.status and "r" in place.rights:
            session.out.send(await status_response(session, place, request.status))
        if request.rights:
            name = session.name(place.name)
            session.out.send(b"* MYRIGHTS %b %b\r\n" % (name, wire_rights(place.rights)))
        if request.entries:
            session.out.send(await metadata_response(session, place, request.entries))
    except MailboxMissing:
        pass


def list_response(session: ImapSession, listed: Listed) -> bytes:
    """The untagged response."""
    name = session.name(listed.name)
    more = b""
    if listed.children:
        more = b' ("CHILDINFO" (%b))' % b" ".join([b'"%b"' % option for option in listed.children])
    elif listed.old:
        more = b' ("OLDNAME" (%b))' % session.name(listed.old)
    return b'* LIST (%b) "/" %b%b\r\n' % (b" ".join(listed.attributes), name, more)


def choose(
    request: ListRequest, places: Mapping[str, Place], subscribed: Set[str], *, rev2: bool = False
) -> Iterator[Listed]:
    """The names that a request is answered with, in order."""
    above = parents(places)
    fulfilling = _fulfilling(request, places, above, subscribed)
    matches = _any_of(request.patterns)
    found = {name for name in fulfilling if matches(name)}
    below: Set[str] = frozenset()
    if b"RECURSIVEMATCH" in request.selected:
        below = parents(fulfilling)
        # RFC 5258 §3.5: a name that fulfils nothing itself stands for children that are not told
        found |= {name for name in parents(fulfilling - found) if matches(name)}
    for name in sorted(found):
        place = places.get(name)
        attributes = list(_existence(request, place, rev2=rev2))
        attributes.append(b"\\HasChildren" if name in above else b"\\HasNoChildren")
        if name in subscribed:
            attributes.append(b"\\Subscribed")
        if use := own_use(place):
            attributes.append(use.encode("ascii"))
        children = tuple(request.criteria) if name in below else ()
        yield Listed(name, place, tuple(attributes), children)


def parents(names: Iterable[str]) -> set[str]:
    """Every name that lies above one of these."""
    found: set[str] = set()
    for name in names:
        at = name.rfind(SEPARATOR)
        while at > 0 and name[:at] not in found:
            found.add(name[:at])
            at = name.rfind(SEPARATOR, 0, at)
    return found


def _fulfilling(
    request: ListRequest, places: Mapping[str, Place], above: Set[str], subscribed: Set[str]
) -> set[str]:
    """The names that the selection options leave over, whatever the patterns."""
    names = {*places, *above}
    if b"SUBSCRIBED" in request.selected:
        names = set(subscribed)
    if b"SPECIAL-USE" in request.selected:
        names = {name for name in names if own_use(places.get(name))}
    return names


def _existence(request: ListRequest, place: Place | None, *, rev2: bool) -> Iterable[bytes]:
    if place is None:  # RFC 5258 §3: \NonExistent means \Noselect as well, but is news since RFC 3501
        return (b"\\NonExistent",) if request.extended or rev2 else (b"\\Noselect",)
    if request.status and "r" not in place.rights:  # RFC 5819 §2
        return (b"\\Noselect",)
    return ()


def _any_of(patterns: Iterable[str]) -> Callable[[str], bool]:
    matchers = [matcher(pattern) for pattern in patterns]
    return lambda name: any(matches(name) for matches in matchers)


COMMANDS = (Command("LIST", _list, State.AUTHENTICATED),)
