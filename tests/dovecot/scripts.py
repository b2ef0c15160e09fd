"""Scripts, drawn by hypothesis from the kinds of commands that both servers know."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import strategies as st

from tests.dovecot.commands import Kind, kinds
from tests.dovecot.mail import appended
from tests.dovecot.script import Script, Step

_BLIND = frozenset(("fetch", "search", "store"))
"""What may be done before one was told what others did, with an outcome that RFC 2180 does not leave open."""
_WITH_MODSEQ = frozenset(("enable", "changed since", "unchanged since"))
_WITH_QRESYNC = frozenset(("resynchronise",))


def scripts(capabilities: frozenset[str], corpus: tuple[bytes, ...]) -> st.SearchStrategy[Script]:
    """Scripts of two sessions. capabilities: of both servers; corpus: messages beside generated ones."""
    known = {name: kind for name, kind in kinds(corpus).items() if capabilities.issuperset(kind.needs)}

    def less(names: frozenset[str]) -> Mapping[str, Kind]:
        return {name: kind for name, kind in known.items() if name not in names}

    every = [_of(less(_WITH_MODSEQ | _WITH_QRESYNC), corpus, b"", ())]
    if "CONDSTORE" in capabilities:
        every.append(_of(less(_WITH_QRESYNC), corpus, b" (CONDSTORE)", ()))
    if "QRESYNC" in capabilities:
        every.append(_of(known, corpus, b" (CONDSTORE)", (b"ENABLE QRESYNC",)))
    return st.one_of(*every)


def _of(
    known: Mapping[str, Kind], corpus: tuple[bytes, ...], opening: bytes, before: tuple[bytes, ...]
) -> st.SearchStrategy[Script]:
    """Scripts of these kinds. opening: what SELECT has behind the mailbox; before: the first commands."""
    weighed = [name for name, kind in known.items() for _ in range(kind.weight)]
    commands = (*before, b"SELECT <box>/a" + opening)
    first = tuple(Step(session, command) for session in range(2) for command in commands)

    @st.composite
    def steps(draw: st.DrawFn) -> Step:
        name = draw(st.sampled_from(weighed))
        session = draw(st.sampled_from((0, 0, 1)))
        blind = name in _BLIND and draw(st.integers(0, 4)) == 4
        command = draw(known[name].commands)
        return Step(session, command + opening if name == "select" else command, blind)

    return st.builds(
        lambda messages, rest: Script(tuple(messages), (*first, *rest)),
        st.lists(appended(corpus), min_size=1, max_size=5),
        st.lists(steps(), min_size=3, max_size=12),
    )
