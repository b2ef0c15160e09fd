"""Scripts, drawn by hypothesis from the kinds of commands that both servers know."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.dovecot.commands import kinds
from tests.dovecot.mail import appended
from tests.dovecot.script import Script, Step

_BLIND = frozenset(("fetch", "search", "store"))
"""What a session may do before it was told what others have done, with an outcome that RFC 2180 does not leave open."""
_FIRST = (Step(0, b"SELECT <box>/a"), Step(1, b"SELECT <box>/a"))


def scripts(capabilities: frozenset[str], corpus: tuple[bytes, ...]) -> st.SearchStrategy[Script]:
    """Scripts of two sessions. capabilities: of both servers; corpus: messages beside generated ones."""
    known = {name: kind for name, kind in kinds(corpus).items() if capabilities.issuperset(kind.needs)}
    weighed = [name for name, kind in known.items() for _ in range(kind.weight)]

    @st.composite
    def steps(draw: st.DrawFn) -> Step:
        name = draw(st.sampled_from(weighed))
        session = draw(st.sampled_from((0, 0, 1)))
        blind = name in _BLIND and draw(st.integers(0, 4)) == 4
        return Step(session, draw(known[name].commands), blind)

    return st.builds(
        lambda messages, rest: Script(tuple(messages), (*_FIRST, *rest)),
        st.lists(appended(corpus), min_size=1, max_size=5),
        st.lists(steps(), min_size=3, max_size=12),
    )
