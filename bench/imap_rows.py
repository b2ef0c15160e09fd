"""What an IMAP server is timed at, one row after the other, on a mailbox that nobody has looked at before."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from statistics import median
from typing import Final, Protocol

from bench.cpu import settled_seconds
from bench.imap_client import ImapClient
from bench.rounds import Values

SIZE: Final = 4096
FILL: Final = 250
"""Messages in one APPEND that fills a mailbox."""
APPENDS: Final = 200
CONNECTIONS: Final = 10
TIMES: Final = 11
"""How often a mailbox is opened, and a message told of, for a median."""
LISTED: Final = "FETCH 1:* (FLAGS UID RFC822.SIZE ENVELOPE)"
RARE: Final = "quixotically"
"""A word that one in a thousand messages has, in its text alone."""

_LINE: Final = b"Lorem ipsum dolor sit amet, consectetur adipiscing elit sed do eiusmod\r\n"
_HIGHEST = re.compile(rb"\[HIGHESTMODSEQ ([0-9]+)\]")
_VALIDITY = re.compile(rb"\[UIDVALIDITY ([0-9]+)\]")
_names = count(1)


class Missing(Exception):
    """An answer does not have a line for every message."""


class ImapServer(Protocol):
    """A server that runs and has an account. pid: the root of its process tree."""

    pid: int

    def log_in(self) -> ImapClient:
        """The account's owner, on a new connection."""
        ...


def message(number: int) -> bytes:
    """Of 4 KiB, with the header that mail has; ten in a thread."""
    first = number - number % 10
    rare = RARE.encode() if number % 1000 == 500 else b"commonly"
    answers = b"" if number == first else b"In-Reply-To: <%d@example.test>\r\n" % first
    head = (
        b"Received: from client.example.test (client.example.test [192.0.2.1])\r\n"
        b"\tby hub.example.test with ESMTP id %08d; Thu, 1 Jan 2026 %02d:%02d:%02d +0000\r\n"
        b"From: Sender %d <sender%d@example.test>\r\nTo: Reader <reader@example.test>\r\n"
        b"Subject: %bnumber %d\r\nDate: Thu, 1 Jan 2026 %02d:%02d:%02d +0000\r\n"
        b"Message-ID: <%d@example.test>\r\n%bMIME-Version: 1.0\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\n\r\n%b\r\n"
    ) % (
        number, *_clock(number), number % 100, number % 100, b"" if number == first else b"Re: ", first,
        *_clock(number), number, answers, rare,
    )  # fmt: skip
    body = _LINE * ((SIZE - len(head)) // len(_LINE) + 1)
    return head + body[: SIZE - len(head) - 2] + b"\r\n"


def _clock(number: int) -> tuple[int, int, int]:
    return number // 3600 % 24, number // 60 % 60, number % 60


@dataclass(slots=True)
class Rows:
    """The rows of one round. count: messages; name: of the mailbox, new in each round; values: milliseconds
    unless said otherwise. What a server cannot do has no value."""

    server: ImapServer
    count: int
    name: str = field(default_factory=lambda: f"round{next(_names)}")
    values: dict[str, float] = field(default_factory=dict)

    def run(self) -> Values:
        """Fill a mailbox and time all rows. Unhappy, Missing."""
        with self.server.log_in() as client:
            client.ask(f"CREATE {self.name}copy")
            for name in (f"{self.name}new", self.name):
                self._fill(client, name)
                if name != self.name:
                    client.ask(f"SELECT {name}")
                    self._timed("at once", partial(self._list, client))
                    client.ask("UNSELECT")
            settled_seconds(self.server.pid, quiet=1.0, patience=60.0)
            can = client.ask("CAPABILITY").upper().split()
        self._read()
        self._search(can)
        if b"QRESYNC" in can:
            self._resynchronise()
        self._change()
        self._append()
        self._tell()
        return self.values

    def find(self, ready: Callable[[], None]) -> float:
        """Fill a mailbox, wait until it is ready, and search it for a rare word; milliseconds. Unhappy."""
        with self.server.log_in() as client:
            self._fill(client, self.name)
        ready()
        with self._opened() as client:
            self._timed("text", lambda: client.ask(f"SEARCH TEXT {RARE}"))
        return self.values["text"]

    def _fill(self, client: ImapClient, name: str) -> None:
        client.ask(f"CREATE {name}")
        for start in range(0, self.count, FILL):
            end = min(start + FILL, self.count)
            client.append(name, [message(number) for number in range(start, end)])

    def _timed(self, key: str, work: Callable[[], object]) -> None:
        began = time.perf_counter()
        work()
        self.values[key] = (time.perf_counter() - began) * 1000

    def _timed_often(self, key: str, work: Callable[[], object]) -> None:
        """The median: which of a server's processes a connection comes to is chance."""
        times = []
        for _ in range(TIMES):
            self._timed(key, work)
            times.append(self.values[key])
        self.values[key] = median(times)

    def _opened(self) -> ImapClient:
        client = self.server.log_in()
        client.ask(f"SELECT {self.name}")
        return client

    def _read(self) -> None:
        self._timed_often("select", lambda: self._opened().close())
        with self._opened() as client:
            self._timed("first", partial(self._list, client))
        with self._opened() as client:
            client.ask(LISTED)
            self._timed("warm", partial(self._list, client))
            began = time.perf_counter()
            octets = client.skim("UID FETCH 1:* BODY.PEEK[]")
            seconds = time.perf_counter() - began
            if octets < self.count * SIZE:
                raise Missing(f"{octets} octets are not {self.count} messages of {SIZE}")
            self.values["body"] = self.count * SIZE / seconds / 1e6

    def _list(self, client: ImapClient) -> None:
        if (lines := client.ask(LISTED).count(b" ENVELOPE (")) != self.count:
            raise Missing(f"{lines} of {self.count} messages were told of")

    def _search(self, can: list[bytes]) -> None:
        with self._opened() as client:
            self._timed("text", lambda: client.ask(f"SEARCH TEXT {RARE}"))
            self._timed("text again", lambda: client.ask(f"SEARCH TEXT {RARE}"))
            self._timed("subject", lambda: client.ask('SEARCH SUBJECT "number 770"'))
            self._timed("subject again", lambda: client.ask('SEARCH SUBJECT "number 880"'))
            if b"SORT" in can:
                self._timed("sort", lambda: client.ask("SORT (DATE) UTF-8 ALL"))
            if b"THREAD=REFERENCES" in can:
                self._timed("thread", lambda: client.ask("THREAD REFERENCES UTF-8 ALL"))

    def _resynchronise(self) -> None:
        with self._opened() as client:
            client.ask("ENABLE QRESYNC")
            answer = client.ask(f"SELECT {self.name}")
            highest, validity = _HIGHEST.search(answer), _VALIDITY.search(answer)
            assert highest is not None
            assert validity is not None
            known = f"({int(validity[1])} {int(highest[1])})"
            chosen = ",".join(str(number) for number in range(50, self.count, 100)) or "1"
            client.ask(f"STORE {chosen} +FLAGS.SILENT (\\Flagged)")

        def resynchronise() -> None:
            with self.server.log_in() as client:
                client.ask("ENABLE QRESYNC")
                client.ask(f"SELECT {self.name} (QRESYNC {known})")

        self._timed_often("qresync", resynchronise)

    def _change(self) -> None:
        with self._opened() as client:
            self._timed("store", lambda: client.ask("STORE 1:* +FLAGS (\\Answered)"))
            self._timed("copy", lambda: client.ask(f"COPY 1:* {self.name}copy"))
        with self.server.log_in() as client:
            client.ask(f"SELECT {self.name}copy")
            client.ask("STORE 1:* +FLAGS.SILENT (\\Deleted)")
            self._timed("expunge", lambda: client.ask("EXPUNGE"))

    def _append(self) -> None:
        for connections in (1, CONNECTIONS):
            each = APPENDS // connections
            clients = [self.server.log_in() for _ in range(connections)]
            threads = [threading.Thread(target=self._appends, args=(client, each)) for client in clients]
            began = time.perf_counter()
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.values[f"append {connections}"] = each * connections / (time.perf_counter() - began)
            for client in clients:
                client.close()

    def _appends(self, client: ImapClient, times: int) -> None:
        for number in range(times):
            client.append(f"{self.name}copy", [message(number)])

    def _tell(self) -> None:
        """From the OK of an APPEND until another session in IDLE has been told."""
        taken: list[float] = []
        with self.server.log_in() as writer, self.server.log_in() as idler:
            idler.ask(f"SELECT {self.name}copy")
            idler.idle()
            for number in range(TIMES):
                writer.append(f"{self.name}copy", [message(number)])
                began = time.perf_counter()
                idler.told(b" EXISTS")
                taken.append((time.perf_counter() - began) * 1000)
        self.values["told"] = median(taken)


def fetch(client: ImapClient, item: str, messages: int) -> float:
    """Milliseconds for one item of every message. Missing, Unhappy."""
    began = time.monotonic()
    answer = client.ask(f"FETCH 1:* {item}")
    milliseconds = (time.monotonic() - began) * 1000
    if (lines := answer.count(f" FETCH ({item} ".encode())) != messages:
        raise Missing(f"FETCH {item} told of {lines} of {messages} messages")
    return milliseconds


def rows() -> Iterator[tuple[str, str, str]]:
    """Key, name and unit of each."""
    yield from (
        ("select", "connect, LOGIN and SELECT, median", "ms"),
        ("first", f"{LISTED}, first ever", "ms"),
        ("at once", f"{LISTED}, first ever, as soon as the last message has come", "ms"),
        ("warm", f"{LISTED}, again", "ms"),
        ("body", "UID FETCH 1:* BODY.PEEK[]", "MB/s"),
        ("text", "SEARCH TEXT of a rare word", "ms"),
        ("text again", "SEARCH TEXT of a rare word, again", "ms"),
        ("text indexed", "SEARCH TEXT of a rare word, with the index", "ms"),
        ("subject", "SEARCH SUBJECT, first ever", "ms"),
        ("subject again", "SEARCH SUBJECT, again", "ms"),
        ("sort", "SORT (DATE)", "ms"),
        ("thread", "THREAD REFERENCES", "ms"),
        ("qresync", "connect, LOGIN and SELECT (QRESYNC) after 1 % changed, median", "ms"),
        ("store", "STORE 1:* +FLAGS", "ms"),
        ("copy", "COPY 1:*", "ms"),
        ("expunge", "EXPUNGE of all", "ms"),
        ("append 1", "APPEND, 1 connection", "per s"),
        (f"append {CONNECTIONS}", f"APPEND, {CONNECTIONS} connections", "per s"),
        ("told", "from OK of APPEND to another session's EXISTS in IDLE, median", "ms"),
        ("idle", "a session in IDLE", "KiB"),
    )
