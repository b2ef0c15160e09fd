"""Rights as they stand in commands and responses (RFC 4314 §2), and which flags they let one change."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from hub.imap.replies import bad
from hub.mail.login import AccountRef
from hub.services.directory import Directory
from hub.services.sharing import ANYONE, RIGHTS
from hub.services.storage import FlagMode

NEGATIVE: Final = "-"
_OBSOLETE: Final = MappingProxyType({"c": "kx", "d": "te"})  # RFC 4314 §2.1.1
FLAG_RIGHTS: Final = frozenset("stw")
_WRITTEN = re.compile(rb"([+-]?)([a-z0-9]*)")


def read_rights(text: bytes) -> tuple[FlagMode, str]:
    """What SETACL says: replace, add or take away these. BAD for what is no right."""
    found = _WRITTEN.fullmatch(text)
    if found is None:
        raise bad("Rights are small letters, with + or - before them to add or take away (RFC 4314 3.1)")
    mode = {b"": FlagMode.SET, b"+": FlagMode.ADD, b"-": FlagMode.REMOVE}[found[1]]
    letters = "".join(_OBSOLETE.get(letter, letter) for letter in found[2].decode("ascii"))
    unknown = sorted(set(letters) - set(RIGHTS))
    if unknown:
        raise bad(f"There is no right '{unknown[0]}'; there are {RIGHTS}, and c and d of RFC 2086")
    return mode, in_order(letters)


def changed_rights(had: str, mode: FlagMode, rights: str) -> str:
    """What somebody has after a change."""
    if mode is FlagMode.ADD:
        return in_order(had + rights)
    return in_order(set(had) - set(rights) if mode is FlagMode.REMOVE else rights)


async def identifier_of(directory: Directory, owner: AccountRef, written: str) -> str | None:
    """Who is meant, as it stands on lists, with a minus sign before it if there is one; None for nobody of
    the owner's tenant, and for the owner.
    """
    sign = NEGATIVE if written.startswith(NEGATIVE) else ""
    bare = written.removeprefix(NEGATIVE)
    if bare.lower() == ANYONE:
        return sign + ANYONE
    account = await directory.account(bare)
    if account is None or account.ref.tenant != owner.tenant or account.ref == owner:
        return None
    return sign + str(account.address)


def in_order(letters: Iterable[str]) -> str:
    """Each once, as they are usually written."""
    return "".join(right for right in RIGHTS if right in set(letters))


def wire_rights(rights: str) -> bytes:
    """With the obsolete letters behind them that stand for some of these (RFC 4314 §2.1.1)."""
    virtual = [old for old, new in _OBSOLETE.items() if set(new) & set(rights)]
    return "".join((rights, *virtual)).encode("ascii")


def every_right() -> list[bytes]:
    """What LISTRIGHTS tells can be given one by one: none brings another with it."""
    return [right.encode("ascii") for right in (*RIGHTS, *_OBSOLETE)]


def effective(listed: Mapping[str, str], login: str) -> str:
    """What somebody may do by a list: what they and anyone have, less what is taken from either."""
    given = listed.get(login, "") + listed.get(ANYONE, "")
    taken = listed.get(NEGATIVE + login, "") + listed.get(NEGATIVE + ANYONE, "")
    return in_order(set(given) - set(taken))


def right_for(flag: str) -> str:
    """Which right a flag needs (RFC 4314 §4)."""
    return {"\\Seen": "s", "\\Deleted": "t"}.get(flag, "w")


def permitted_change(
    mode: FlagMode, flags: frozenset[str], known: Iterable[str], rights: str
) -> list[tuple[FlagMode, frozenset[str]]]:
    """What is left of a STORE for who may not change every flag (RFC 4314 §4); empty: nothing.

    known: all flags that the messages may have.
    """
    if set(rights) >= FLAG_RIGHTS:
        return [(mode, flags)]
    mine = permitted(flags, rights)
    if mode is not FlagMode.SET:
        return [(mode, mine)] if mine else []
    changes = [(FlagMode.REMOVE, permitted(known, rights) - flags), (FlagMode.ADD, mine)]
    return [(mode, some) for mode, some in changes if some]


def permitted(flags: Iterable[str], rights: str) -> frozenset[str]:
    """Those of the flags that may be changed."""
    return frozenset(in_rights(flags, rights))


def in_rights(flags: Iterable[str], rights: str) -> list[str]:
    """`permitted`, in the order given."""
    return [flag for flag in flags if right_for(flag) in rights]
