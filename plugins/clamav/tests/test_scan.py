"""One scan against a real clamd, and against servers that misbehave."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import clamd as library
import pytest
from hub_plugin_clamav import DEBIAN_SOCKET, Scan, Settings

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


def test_a_clean_message_has_no_virus_over_both_kinds_of_socket(clamd: Clamd) -> None:
    assert Scan(clamd.socket, 10).run(CLEAN) is None
    assert Scan(("127.0.0.1", clamd.port), 10).run(CLEAN) is None


def test_the_signature_is_named_over_both_kinds_of_socket(clamd: Clamd) -> None:
    infected = [b"Subject: hello\r\n\r\n", EICAR[:20], EICAR[20:], b"\r\n"]
    assert Scan(clamd.socket, 10).run(infected) == "Eicar-Test-Signature.UNOFFICIAL"
    assert Scan(("127.0.0.1", clamd.port), 10).run(infected) == "Eicar-Test-Signature.UNOFFICIAL"


def test_a_stream_past_the_limit_of_clamd_is_told_apart_from_a_failure(clamd: Clamd) -> None:
    chunks = [bytes(65536)] * (3 * STREAM_MAX // 65536)
    for address in (clamd.socket, ("127.0.0.1", clamd.port)):
        with pytest.raises(library.BufferTooLongError):
            Scan(address, 10).run(chunks)


def test_a_missing_clamd_is_named_with_its_address(tmp_path: Path) -> None:
    with pytest.raises(library.ConnectionError, match=r"clamd at .*nobody\.sock does not answer: .*No such"):
        Scan(tmp_path / "nobody.sock", 10).run(CLEAN)


def test_an_empty_answer_is_a_failure_and_never_clean() -> None:
    with server(b"") as address, pytest.raises(library.ConnectionError, match="without an answer"):
        Scan(address, 10).run(CLEAN)


@pytest.mark.parametrize(
    "answer", [b"stream: Can't allocate ERROR\n", b"stream: perhaps\n", b"UNKNOWN COMMAND\n"]
)
def test_an_answer_that_is_no_verdict_is_a_failure(answer: bytes) -> None:
    with server(answer) as address, pytest.raises(library.ResponseError):
        Scan(address, 10).run(CLEAN)


def test_a_clamd_that_hangs_is_given_up_at_the_deadline() -> None:
    with server(None) as address, pytest.raises((library.ConnectionError, TimeoutError)):
        Scan(address, 0.2).run(CLEAN)


def test_a_signature_cannot_break_the_reply_line() -> None:
    with server(b"stream: Bad\x07\xc3\xa9Name FOUND\n") as address:
        assert Scan(address, 10).run(CLEAN) == "Bad??Name"


def test_a_message_that_is_read_too_slowly_is_given_up_at_the_deadline(clamd: Clamd) -> None:
    scan = Scan(clamd.socket, 10)

    def chunks() -> Iterator[bytes]:
        yield CLEAN[0]
        scan.deadline = 0.0
        yield CLEAN[1]

    with pytest.raises(TimeoutError, match="has not judged the message in time"):
        scan.run(chunks())


def test_clamd_is_asked_where_debian_has_it_unless_told_otherwise(tmp_path: Path) -> None:
    assert Settings().address == DEBIAN_SOCKET
    assert Settings(socket=tmp_path).address == tmp_path
    assert Settings(host="scanner.example").address == ("scanner.example", 3310)
    with pytest.raises(ValueError, match="both socket and host"):
        Settings(socket=tmp_path, host="scanner.example")
