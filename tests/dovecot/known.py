"""What a client may believe of its mailbox by what it was told, and what a server may not tell it."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from tests.dovecot.parser import Malformed, Response, Value

_QUIET = (b"FETCH", b"STORE", b"SEARCH", b"SORT", b"THREAD")
"""During these no sequence number may change (RFC 3501 §7.4.1, RFC 5256 §4)."""
_FLAGS = (b"FLAGS", b" ALL", b" FAST", b" FULL")
_STATE = frozenset(("UID", "FLAGS", "MODSEQ"))


@dataclass(slots=True)
class Message:
    """One that has a sequence number. None: not told."""

    at: int
    uid: int | None = None
    flags: frozenset[str] | None = None


@dataclass(slots=True)
class Known:
    """A mailbox by its sequence numbers; every response about it must be possible.

    uidvalidity, modseq: as they were when it was opened. told: what the last command's answer has said of
    messages, by where they stood before it. ever: every UID that this client has seen since it logged in.
    kept: by tag, UIDs of the results that the server keeps up to date (RFC 5267).
    """

    messages: list[Message] = field(default_factory=list)
    uidvalidity: int = 0
    modseq: int = 1
    told: dict[int, dict[str, Value]] = field(default_factory=dict)
    gone: list[int] = field(default_factory=list)
    ever: set[int] = field(default_factory=set)
    kept: dict[str, set[int]] = field(default_factory=dict)
    _updates: bool = False
    _quiet: bool = False
    _fetching: bool = False
    _asked: bool = False
    _opening: bool = False

    @property
    def first_unknown(self) -> int | None:
        """The sequence number of the first message that the client knows nothing of."""
        return next(
            (at for at, each in enumerate(self.messages, 1) if each.uid is None or each.flags is None), None
        )

    def asks(self, command: bytes) -> None:
        """A command is sent."""
        word = command.upper().split(b" ")[0]
        self._quiet = word in _QUIET
        self._fetching = b"FETCH " in command[:10].upper()
        self._asked = self._fetching and any(each in command.upper() for each in _FLAGS)
        self._opening = word in (b"SELECT", b"EXAMINE")
        self.told.clear()
        self.gone.clear()
        self._updates = b"RETURN (UPDATE" in command.upper()
        if self._opening or word in (b"CLOSE", b"UNSELECT"):
            self.messages.clear()
            self.kept.clear()
        for at, message in enumerate(self.messages):
            message.at = at
            if b".SILENT" in command:
                message.flags = None  # as the client wants to learn them itself

    def hears(self, response: Response) -> None:
        """An untagged response. Malformed if it cannot be about this mailbox now."""
        match response.name:
            case "EXISTS":
                self._exists(response.number)
            case "EXPUNGE":
                self._forget(self._at(response), response)
            case "VANISHED" if response.words[1] != ("EARLIER",):
                self._vanished(response)
            case "FETCH":
                self._fetched(self.messages[self._at(response)], response)
            case "ESEARCH":
                self._keeps(response)
            case "OK" if self._opening:
                self._opened(response)

    def _at(self, response: Response) -> int:
        if not 0 < response.number <= len(self.messages):
            raise Malformed(f"{response} of a mailbox with {len(self.messages)} messages")
        return response.number - 1

    def _exists(self, count: int) -> None:
        if count < len(self.messages):
            raise Malformed(f"{count} EXISTS of a mailbox with {len(self.messages)} messages")
        first = len(self.messages) + len(self.gone)  # one that stands where another has stood is not that one
        self.messages += [Message(first + more) for more in range(count - len(self.messages))]

    def _forget(self, at: int, response: Response) -> None:
        if self._quiet:
            raise Malformed(f"{response} while sequence numbers are in use")
        self.gone.append(self.messages.pop(at).at)

    def _vanished(self, response: Response) -> None:
        for uid in sorted(expanded(response.words[-1]), reverse=True):
            at = next((at for at, each in enumerate(self.messages) if each.uid == uid), None)
            if at is None and uid not in self.ever and self.messages and self.messages[-1].uid is None:
                at = len(self.messages) - 1  # what is new and was not asked about yet
            if at is not None:
                self._forget(at, response)

    def _fetched(self, message: Message, response: Response) -> None:
        told = {label(name): value for name, value in attributes(response)}
        if (uid := told.get("UID")) is not None:
            if message.uid not in (None, int(str(uid))):
                raise Malformed(f"{response}: the message has had UID {message.uid}")
            message.uid = int(str(uid))
            self.ever.add(message.uid)
        if "FLAGS" in told:
            flags = told["FLAGS"]
            if not isinstance(flags, tuple):
                raise Malformed(f"{response}: no list of flags")
            before, message.flags = (
                message.flags,
                frozenset(str(flag).lower() for flag in flags) - {"\\recent"},
            )
            if before == message.flags and not self._asked:
                del told["FLAGS"]  # that they are as they were is no news
                if told.keys() <= _STATE and not self._fetching:
                    return
        self.told.setdefault(message.at, {}).update(told)

    def _keeps(self, response: Response) -> None:
        """Results as they are at first, and what changes about them. Malformed."""
        _, correlator, *data = response.words
        if not isinstance(correlator, tuple) or len(correlator) != 2:
            raise Malformed(f"{response}: no tag")
        name = correlator[1]
        tag = name.decode() if isinstance(name, bytes) else str(name)
        if self._updates and tag not in self.kept:
            self.kept[tag] = set(expanded(data[-1])) if "ALL" in data else set()
            return
        for word, change in pairwise(data):
            if word not in ("ADDTO", "REMOVEFROM"):
                continue
            if not isinstance(change, tuple):
                raise Malformed(f"{response}: no list behind {word}")
            uids = frozenset[int]().union(*map(expanded, change[1::2]))
            if tag not in self.kept or (self.kept[tag] & uids != (uids if word == "REMOVEFROM" else set())):
                raise Malformed(f"{response} of {self.kept.get(tag)}")
            self.kept[tag] ^= uids

    def _opened(self, response: Response) -> None:
        name, arguments = response.code or ("", ())
        if name == "UIDVALIDITY":
            self.uidvalidity = int(str(arguments[0]))
        elif name == "HIGHESTMODSEQ":
            self.modseq = int(str(arguments[0]))


def attributes(response: Response) -> list[tuple[str, Value]]:
    """Names and values of a FETCH. Malformed."""
    values = response.words[2]
    if not isinstance(values, tuple) or len(values) % 2:
        raise Malformed(f"{response}: no pairs")
    names = values[::2]
    if not all(isinstance(name, str) for name in names):
        raise Malformed(f"{response}: a name is no atom")
    return list(zip(map(str, names), values[1::2], strict=True))


def label(name: str) -> str:
    """The name of an attribute in one spelling: `BODY[HEADER.FIELDS (TO)]`."""
    return name.upper().replace('"', "")


def expanded(written: Value) -> frozenset[int]:
    """The numbers of a set such as `1:3,7`, as servers write it: without `*`."""
    return frozenset(in_order(written))


def in_order(written: Value) -> tuple[int, ...]:
    """The numbers of such a set as they stand in it."""
    found: list[int] = []
    for part in str(written).split(","):
        first, _, last = part.partition(":")
        low, high = int(first), int(last or first)
        found.extend(range(low, high + 1) if low <= high else range(low, high - 1, -1))
    return tuple(found)
