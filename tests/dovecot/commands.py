"""Every command of a script, drawn so that most of them have something to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hypothesis import strategies as st

from tests.dovecot.mail import IDS, appended, flag_lists, literal, messages

Octets = st.SearchStrategy[bytes]

SETS: Final = st.sampled_from(
    (b"1", b"2", b"3", b"1:2", b"2:3", b"1:*", b"1,3", b"*", b"*:2", b"4:*", b"2,1,2", b"3:1")
)
UIDS: Final = st.sampled_from((b"1", b"2", b"1:2", b"2:4", b"1:*", b"3,1", b"*", b"5:*", b"900:*", b"77"))
BOXES: Final = st.sampled_from((b"<box>/a", b"<box>/a", b"<box>/b", b"<box>/b", b"<box>/c", b"<box>/none"))


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of command. needs: capabilities without which it is not drawn; weight: how often it is."""

    commands: Octets
    needs: tuple[str, ...] = ()
    weight: int = 1


def joined(*parts: bytes | Octets) -> Octets:
    """Octets one after the other."""
    return st.tuples(*(st.just(part) if isinstance(part, bytes) else part for part in parts)).map(b"".join)


def listed(values: Sequence[bytes] | Octets, most: int = 3) -> Octets:
    """A list in parentheses, of different values."""
    each = values if isinstance(values, st.SearchStrategy) else st.sampled_from(values)
    return st.lists(each, min_size=1, max_size=most, unique=True).map(
        lambda found: b"(%b)" % b" ".join(found)
    )


def numbered(rest: Octets, word: bytes) -> Octets:
    """The command with sequence numbers or with UIDs."""
    return st.one_of(joined(word, b" ", SETS, rest), joined(b"UID ", word, b" ", UIDS, rest))


# -- FETCH (RFC 3501 §6.4.5) ---------------------------------------------------------------------------

_PATHS = (b"1", b"2", b"1.1", b"2.1", b"3", b"1.2", b"2.1.1")
_FIELDS = st.sampled_from(
    (b"(Subject)", b"(FROM TO)", b"(X-None)", b"(Content-Type Date)", b"(subject References Message-ID)")
)
_TEXTS = st.one_of(
    st.sampled_from((b"", b"HEADER", b"TEXT")),
    joined(b"HEADER.FIELDS ", _FIELDS),
    joined(b"HEADER.FIELDS.NOT ", _FIELDS),
    st.sampled_from(_PATHS),
    joined(
        st.sampled_from(_PATHS), st.sampled_from((b".MIME", b".HEADER", b".TEXT", b".HEADER.FIELDS (From)"))
    ),
)
_PARTIAL = st.sampled_from((b"", b"", b"", b"<0.10>", b"<5.20>", b"<100000.5>", b"<3.1>"))
_SECTIONS = joined(st.sampled_from((b"BODY.PEEK[", b"BODY.PEEK[", b"BODY[")), _TEXTS, b"]", _PARTIAL)
_SIMPLE = (
    b"FLAGS", b"UID", b"INTERNALDATE", b"RFC822.SIZE", b"ENVELOPE", b"BODY", b"BODYSTRUCTURE", b"RFC822",
    b"RFC822.HEADER", b"RFC822.TEXT",
)  # fmt: skip
_MACROS = st.sampled_from((b" ALL", b" FAST", b" FULL"))
_ATTRIBUTES = st.one_of(
    joined(b" ", listed(st.one_of(st.sampled_from(_SIMPLE), _SECTIONS), 4)),
    joined(b" ", st.one_of(st.sampled_from(_SIMPLE), _SECTIONS)),
    _MACROS,
)
_BINARY = joined(
    b" (",
    st.sampled_from((b"BINARY.PEEK[", b"BINARY[")),
    st.sampled_from((b"", *_PATHS)),
    b"]",
    _PARTIAL,
    b")",
)

# -- SEARCH (RFC 3501 §6.4.4) --------------------------------------------------------------------------

_STRINGS = st.sampled_from(
    (
        b"apple", b"PEAR", b"example.org", b'"a b"', b"inner", b"xyzzy", b'""', b"e", b"doerte", b"epilogue",
        literal("straße".encode()), literal("ДАННЫЕ".encode()), literal("表".encode()),
        literal(b"NA\xc3\x8fVE"),
    )
)  # fmt: skip
# Not what stands in the header of a message within a message, which is in the body for ours, not for Dovecot.
_CONTENTS = st.sampled_from(
    (
        b"apple",
        b"PEAR",
        b"xyzzy",
        literal("straße".encode()),
        literal("ДАННЫЕ".encode()),
        literal("表".encode()),
    )
)
_DAYS = st.sampled_from((b"2-Feb-2026", b"03-Feb-2026", b"1-Jan-2026", b'"31-Dec-2025"', b"1-Jan-2020"))
_STATES = (
    b"ALL", b"SEEN", b"UNSEEN", b"FLAGGED", b"UNFLAGGED", b"ANSWERED", b"UNANSWERED", b"DELETED",
    b"UNDELETED",     b"DRAFT", b"UNDRAFT", b"KEYWORD $Label", b"UNKEYWORD work", b"KEYWORD none",
)  # fmt: skip
_NAMED = st.one_of(
    st.sampled_from(_STATES),
    joined(st.sampled_from((b"SUBJECT ", b"FROM ", b"TO ", b"CC ", b"BCC ")), _STRINGS),
    joined(st.sampled_from((b"TEXT ", b"BODY ")), _CONTENTS),
    joined(
        st.sampled_from((b"BEFORE ", b"ON ", b"SINCE ", b"SENTBEFORE ", b"SENTON ", b"SENTSINCE ")), _DAYS
    ),
    joined(
        st.sampled_from((b"LARGER ", b"SMALLER ")),
        st.sampled_from((b"0", b"200", b"300", b"500", b"4294967295")),
    ),
    joined(b"HEADER ", st.sampled_from((b"Message-ID ", b"References ", b"X-None ", b"Subject ")), _STRINGS),
    joined(b"HEADER Message-ID ", st.sampled_from(IDS).map(lambda each: b'"%b"' % each)),
)


def _combined(inner: Octets) -> Octets:
    return st.one_of(
        inner,
        joined(b"NOT ", inner),
        joined(b"OR ", inner, b" ", inner),
        st.lists(inner, min_size=2, max_size=3).map(lambda keys: b"(%b)" % b" ".join(keys)),
    )


KEYS = _combined(_combined(st.one_of(_NAMED, SETS, joined(b"UID ", UIDS))))
CRITERIA = st.lists(KEYS, min_size=1, max_size=2).map(b" ".join)
_CHARSETS = st.sampled_from((b"", b"CHARSET UTF-8 "))
_RETURNS = joined(
    b"RETURN ", st.sampled_from((b"()", b"(MIN)", b"(MAX COUNT)", b"(ALL)", b"(MIN MAX ALL COUNT)")), b" "
)


def searching(word: bytes, before: bytes | Octets, keys: Octets = CRITERIA) -> Octets:
    """SEARCH, SORT or THREAD, and its UID form."""
    return joined(st.sampled_from((b"", b"UID ")), word, b" ", before, keys)


_SORT_KEYS = (b"ARRIVAL", b"CC", b"DATE", b"FROM", b"SIZE", b"SUBJECT", b"TO")
_ORDERS = listed(joined(st.sampled_from((b"", b"REVERSE ")), st.sampled_from(_SORT_KEYS)))
_DISPLAY = listed(
    joined(st.sampled_from((b"", b"REVERSE ")), st.sampled_from((b"DISPLAYFROM", b"DISPLAYTO", b"SIZE")))
)

# -- the tree (RFC 3501 §6.3) --------------------------------------------------------------------------

_PATTERNS = st.sampled_from(
    (b"<box>/*", b"<box>/%", b"<box>/a", b"<box>/a/%", b"<box>/*/*", b"<box>%", b"<box>/none")
)
_ITEMS = (b"MESSAGES", b"UIDNEXT", b"UNSEEN", b"UIDVALIDITY")
_STATUS = joined(b"STATUS ", BOXES, b" ", listed(_ITEMS))
_CHANGED = st.sampled_from(
    (b"<box>/b", b"<box>/c", b"<box>/a/d", b"<box>/none", b"<box>/a/x y", b"<box>/&AOk-")
)

_SUBSCRIBED = st.sampled_from((b"<box>/a", b"<box>/b", b"<box>/b", b"<box>/c"))


def _quoted(names: Octets) -> Octets:
    return names.map(lambda name: b'"%b"' % name)


_APPENDS = st.sampled_from((b"<box>/a", b"<box>/a", b"<box>/b", b"<box>/none"))


def kinds(corpus: tuple[bytes, ...]) -> dict[str, Kind]:
    """All kinds by name. corpus: messages to append beside generated ones."""
    extra = appended(corpus)
    store = st.sampled_from((b" FLAGS", b" +FLAGS", b" -FLAGS", b" +FLAGS.SILENT", b" FLAGS.SILENT"))
    return {
        "noop": Kind(st.sampled_from((b"NOOP", b"CHECK"))),
        "store": Kind(numbered(joined(store, b" ", flag_lists), b"STORE"), weight=3),
        "copy": Kind(numbered(joined(b" ", BOXES), b"COPY"), weight=2),
        "move": Kind(numbered(joined(b" ", BOXES), b"MOVE"), ("MOVE",), weight=2),
        "expunge": Kind(st.one_of(st.just(b"EXPUNGE"), joined(b"UID EXPUNGE ", UIDS))),
        "delete": Kind(numbered(st.just(b" +FLAGS.SILENT (\\Deleted)"), b"STORE")),
        "fetch": Kind(numbered(_ATTRIBUTES, b"FETCH"), weight=5),
        "binary": Kind(numbered(_BINARY, b"FETCH"), ("BINARY",)),
        "binary size": Kind(
            numbered(joined(b" BINARY.SIZE[", st.sampled_from(_PATHS), b"]"), b"FETCH"), ("BINARY",)
        ),
        "preview": Kind(numbered(st.just(b" (UID PREVIEW)"), b"FETCH"), ("PREVIEW",)),
        "savedate": Kind(numbered(st.just(b" SAVEDATE"), b"FETCH"), ("SAVEDATE",)),
        "search": Kind(searching(b"SEARCH", _CHARSETS), weight=5),
        "esearch": Kind(searching(b"SEARCH", _RETURNS), ("ESEARCH",), weight=2),
        # Without numbers, which to Dovecot mean messages of now: NOT 1 finds every new one for ours, and
        # UID 2 the one that gets it, as an unmodified search would (RFC 5267 §4.3).
        "search kept up to date": Kind(
            joined(b"UID SEARCH RETURN (UPDATE ALL) ", _combined(_NAMED)), ("CONTEXT=SEARCH",), weight=2
        ),
        # Of one word, for which of several must be there is for each server to say (RFC 6203 §3).
        "fuzzy": Kind(
            searching(b"SEARCH", b"FUZZY ", joined(st.sampled_from((b"TEXT ", b"BODY ")), _CONTENTS)),
            ("SEARCH=FUZZY",),
        ),
        "searchres": Kind(
            st.one_of(
                searching(b"SEARCH", b"RETURN (SAVE) "), st.just(b"FETCH $ (UID FLAGS)"), st.just(b"SEARCH $")
            ),
            ("SEARCHRES",),
        ),
        "within": Kind(
            searching(
                b"SEARCH", st.sampled_from((b"OLDER ", b"YOUNGER ")), st.sampled_from((b"86400", b"1"))
            ),
            ("WITHIN",),
        ),
        "sort": Kind(searching(b"SORT", joined(_ORDERS, b" UTF-8 ")), ("SORT",), weight=3),
        "sort display": Kind(searching(b"SORT", joined(_DISPLAY, b" UTF-8 ")), ("SORT=DISPLAY",)),
        "esort": Kind(searching(b"SORT", joined(_RETURNS, _ORDERS, b" UTF-8 ")), ("ESORT",)),
        "thread by subject": Kind(searching(b"THREAD", b"ORDEREDSUBJECT UTF-8 "), ("THREAD=ORDEREDSUBJECT",)),
        "thread": Kind(searching(b"THREAD", b"REFERENCES UTF-8 "), ("THREAD=REFERENCES",), weight=2),
        "append": Kind(joined(b"APPEND ", _APPENDS, b" ", extra), weight=2),
        "append two": Kind(joined(b"APPEND ", _APPENDS, b" ", extra, b" ", extra), ("MULTIAPPEND",)),
        "catenate": Kind(
            joined(
                b"APPEND ",
                _APPENDS,
                b' "02-Feb-2026 23:59:59 +0000" CATENATE (TEXT ',
                messages().map(literal),
                b" TEXT {6+}\r\nmore\r\n)",
            ),
            ("CATENATE",),
        ),
        "select": Kind(joined(st.sampled_from((b"SELECT ", b"SELECT ", b"EXAMINE ")), BOXES)),
        "close": Kind(st.sampled_from((b"CLOSE", b"UNSELECT"))),
        "status": Kind(_STATUS, weight=2),
        "status size": Kind(joined(b"STATUS ", BOXES, b" (SIZE MESSAGES)"), ("STATUS=SIZE",)),
        "list": Kind(joined(b'LIST "" ', _quoted(_PATTERNS))),
        "lsub": Kind(joined(b'LSUB "" ', _quoted(_PATTERNS))),
        "list extended": Kind(
            joined(
                b"LIST ",
                st.sampled_from((b"(SUBSCRIBED) ", b"(RECURSIVEMATCH SUBSCRIBED) ", b"() ")),
                b'"" ',
                listed(_quoted(_PATTERNS), 2),
                st.sampled_from((b"", b" RETURN (CHILDREN)", b" RETURN (SUBSCRIBED)")),
            ),
            ("LIST-EXTENDED",),
        ),
        "list status": Kind(
            joined(b'LIST "" ', _quoted(_PATTERNS), b" RETURN (STATUS ", listed(_ITEMS), b")"),
            ("LIST-STATUS",),
        ),
        "create": Kind(joined(b"CREATE ", _quoted(_CHANGED))),
        "delete mailbox": Kind(joined(b"DELETE ", _quoted(_CHANGED))),
        "rename": Kind(joined(b"RENAME ", _quoted(_CHANGED), b" ", _quoted(_CHANGED))),
        "subscribe": Kind(joined(st.sampled_from((b"SUBSCRIBE ", b"UNSUBSCRIBE ")), _quoted(_SUBSCRIBED))),
        "enable": Kind(
            st.sampled_from((b"ENABLE CONDSTORE", b"ENABLE QRESYNC")), ("CONDSTORE", "QRESYNC", "ENABLE")
        ),
        "changed since": Kind(
            st.one_of(
                joined(b"FETCH ", SETS, b" (FLAGS) (CHANGEDSINCE <modseq>)"),
                joined(b"UID FETCH ", UIDS, b" (FLAGS) (CHANGEDSINCE <modseq>)"),
                joined(b"SEARCH MODSEQ <next> ", CRITERIA),
                joined(b"FETCH ", SETS, b" (UID MODSEQ)"),
                joined(b"STATUS ", BOXES, b" (HIGHESTMODSEQ)"),
            ),
            ("CONDSTORE",),
        ),
        "unchanged since": Kind(
            numbered(joined(b" (UNCHANGEDSINCE <modseq>)", store, b" ", flag_lists), b"STORE"), ("CONDSTORE",)
        ),
        "resynchronise": Kind(
            st.sampled_from(
                (b"SELECT <box>/a (CONDSTORE)", b"SELECT <box>/a (QRESYNC (<uidvalidity> <modseq>))")
            ),
            ("QRESYNC", "ENABLE"),
        ),
    }
