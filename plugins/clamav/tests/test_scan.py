"""One scan against a real clamd, and against servers that misbehave."""

import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import clamd as library
import pytest
from hub_plugin_clamav import DEBIAN_SOCKET, Settings
from hub_plugin_clamav.daemons import make_daemons
from hub_plugin_clamav.scan import ClamdAddress, Conversation, clamd_address, named
from hub_plugin_clamav.verdicts import Verdicts

from .conftest import EICAR, STREAM_MAX, Clamd

CLEAN = [b"Subject: hello\r\n\r\n", b"nothing to see\r\n"]


@contextmanager
def server(answer: bytes | None) -> Iterator[tuple[str, int]]:
    """A clamd that reads one conversation and answers that; None never answers."""
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                while not connection.recv(65536).endswith(bytes(4)):
                    pass
                if answer is None:
                    done.wait(30)
                else:
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()
        finally:
            done.set()
            thread.join()


def scan(address: ClamdAddress, timeout: float, chunks: Iterable[bytes]) -> str | None:
    return Conversation(address, timeout, 2).scan(chunks)


def test_a_clean_message_has_no_virus_over_both_kinds_of_socket(clamd: Clamd) -> None:
    assert scan(clamd.socket, 10, CLEAN) is None
    assert scan(("127.0.0.1", clamd.port), 10, CLEAN) is None
    assert scan(("::1", clamd.port), 10, CLEAN) is None


def test_the_signature_is_named_over_both_kinds_of_socket(clamd: Clamd) -> None:
    infected = [b"Subject: hello\r\n\r\n", EICAR[:20], EICAR[20:], b"\r\n"]
    assert scan(clamd.socket, 10, infected) == "Eicar-Test-Signature.UNOFFICIAL"
    assert scan(("127.0.0.1", clamd.port), 10, infected) == "Eicar-Test-Signature.UNOFFICIAL"


def test_a_stream_past_the_limit_of_clamd_is_told_apart_from_a_failure(clamd: Clamd) -> None:
    chunks = [bytes(65536)] * (3 * STREAM_MAX // 65536)
    for address in (clamd.socket, ("127.0.0.1", clamd.port)):
        with pytest.raises(library.BufferTooLongError):
            scan(address, 10, chunks)


def test_a_missing_clamd_is_named_with_its_address(tmp_path: Path) -> None:
    with pytest.raises(library.ConnectionError, match=r"clamd at .*nobody\.sock does not answer: .*No such"):
        scan(tmp_path / "nobody.sock", 10, CLEAN)


def test_an_empty_answer_is_a_failure_and_never_clean() -> None:
    with server(b"") as address, pytest.raises(library.ConnectionError, match="without an answer"):
        scan(address, 10, CLEAN)


@pytest.mark.parametrize(
    "answer", [b"stream: Can't allocate ERROR\n", b"stream: perhaps\n", b"UNKNOWN COMMAND\n"]
)
def test_an_answer_that_is_no_verdict_is_a_failure(answer: bytes) -> None:
    with server(answer) as address, pytest.raises(library.ResponseError):
        scan(address, 10, CLEAN)


def test_a_clamd_that_hangs_is_given_up_at_the_deadline() -> None:
    with server(None) as address, pytest.raises((library.ConnectionError, TimeoutError)):
        scan(address, 0.2, CLEAN)


def test_a_signature_cannot_break_the_reply_line() -> None:
    with server(b"stream: Bad\x07\xc3\xa9Name FOUND\n") as address:
        assert scan(address, 10, CLEAN) == "Bad??Name"


def test_a_message_that_is_read_too_slowly_is_given_up_at_the_deadline(clamd: Clamd) -> None:
    conversation = Conversation(clamd.socket, 10, 2)

    def chunks() -> Iterator[bytes]:
        yield CLEAN[0]
        conversation.deadline = 0.0
        yield CLEAN[1]

    with pytest.raises(TimeoutError, match="has not judged the message in time"):
        conversation.scan(chunks())


def test_a_host_that_does_not_even_connect_is_given_up_early() -> None:
    with socket.socket() as full:  # whose queue of connections is full
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        with ExitStack() as held:
            for _ in range(3):
                waiting = held.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(full.getsockname())
            began = time.monotonic()
            with pytest.raises(library.ConnectionError, match=r"does not answer: .*timed out"):
                Conversation(full.getsockname(), 30, 0.2).scan(CLEAN)
            assert time.monotonic() - began < 20


def test_addresses_are_read_as_they_are_written() -> None:
    for text, address in {
        DEBIAN_SOCKET: Path(DEBIAN_SOCKET),
        "scanner.example": ("scanner.example", 3310),
        "127.0.0.1:3311": ("127.0.0.1", 3311),
        "[::1]:3311": ("::1", 3311),
        "::1": ("::1", 3310),
        "[2001:db8::1]": ("2001:db8::1", 3310),
    }.items():
        assert clamd_address(text) == address
        assert clamd_address(named(address)) == address
    for text in ("", "host:0", "host:70000", "a b", "[::1", "one:two:three", "relative/path"):
        with pytest.raises(ValueError, match=r"neither the path of a socket nor host:port"):
            Settings(servers=(text,))


def test_clamd_is_asked_where_debian_has_it_unless_told_otherwise() -> None:
    assert Settings().servers == (DEBIAN_SOCKET,)


class Counting:
    """A clamd of a version that the test sets, which finds nothing, and counts what it is asked."""

    def __init__(self) -> None:
        self.version, self.scans = "ClamAV 1.4.3/27001/Mon Nov 23 10:00:00 2026", 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._listener.getsockname()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection, connection.makefile("rb") as lines:
                match lines.readline():
                    case b"nVERSION\n":
                        connection.sendall(self.version.encode() + b"\n")
                    case b"nINSTREAM\n":
                        while size := int.from_bytes(lines.read(4)):
                            lines.read(size)
                        self.scans += 1
                        connection.sendall(b"stream: OK\n")
                    case _:
                        return

    def close(self) -> None:
        socket.create_connection(self.address).close()
        self._thread.join()
        self._listener.close()


@pytest.fixture
def counting() -> Iterator[Counting]:
    counting = Counting()
    yield counting
    counting.close()


def test_verdicts_are_forgotten_when_the_signatures_change_or_the_time_is_over(
    counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    verdicts = Verdicts(2, 600)
    daemons = make_daemons([counting.address], 10, 2, verdicts, lambda *_: None)

    def judged(text: str, scans: int) -> None:
        assert daemons.judge(lambda: [text.encode()]) is None
        assert counting.scans == scans, text

    judged("one", 1)
    judged("one", 1)
    judged("two", 2)
    counting.version = counting.version.replace("27001", "27002")
    judged("one", 2)  # the version that was read a moment ago is believed
    now += 5
    judged("one", 3)
    assert len(verdicts._known) == 1  # those of the other version are gone
    now += 600
    judged("one", 4)
    judged("two", 5)
    judged("three", 6)
    judged("two", 6)
    judged("one", 7)  # of three the one that was asked for last but two is forgotten


def test_a_daemon_that_hangs_leaves_time_for_another_and_is_asked_last(
    counting: Counting,
) -> None:
    troubles: dict[ClamdAddress, list[str | None]] = {}

    def report(address: ClamdAddress, trouble: str | None) -> None:
        troubles.setdefault(address, []).append(trouble)

    with server(None) as hung:
        daemons = make_daemons([hung, counting.address], 1, 1, Verdicts(0, 1), report)
        for scans in (1, 2, 3):
            assert daemons.judge(lambda: CLEAN) is None
            assert counting.scans == scans
    assert len(troubles[hung]) == 1
    assert troubles[counting.address] == [None] * 3


def test_no_daemon_is_a_failure_and_an_error_of_all_of_them_is_one_too(tmp_path: Path) -> None:
    nobody = [tmp_path / "one.sock", tmp_path / "two.sock"]
    daemons = make_daemons(nobody, 1, 1, Verdicts(10, 60), lambda *_: None)
    with pytest.raises(library.ConnectionError, match=r"two\.sock does not answer"):
        daemons.judge(lambda: CLEAN)
