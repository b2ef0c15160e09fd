"""Sockets are bound before privileges go, or come from systemd."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from hub.config.tables.listeners import Listener
from hub.listening import bind, bind_for


def listener(*addresses: str) -> Listener:
    return Listener(protocol="smtp", bind=addresses)


def test_every_address_of_every_listener_gets_a_socket() -> None:
    bound = bind({"a": listener("127.0.0.1:0", "[::1]:0"), "b": listener("127.0.0.1:0")}, {})
    try:
        assert [each.name for each in bound] == ["a", "a", "b"]
        assert [each.socket.family for each in bound][:2] == [socket.AF_INET, socket.AF_INET6]
        for each in bound:
            socket.create_connection(each.socket.getsockname()[:2], timeout=5).close()
    finally:
        for each in bound:
            each.socket.close()


def test_a_taken_port_is_an_error_that_names_listener_and_address() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=rf"listener 'b' cannot have 127\.0\.0\.1:{port}") as caught:
            bind({"a": listener("127.0.0.1:0"), "b": listener(f"127.0.0.1:{port}")}, {})
        assert caught.value.errno == errno.EADDRINUSE


def test_every_worker_gets_a_socket_of_its_own_on_the_same_port() -> None:
    crews = bind_for(3, {"a": listener("127.0.0.1:0")}, {})
    try:
        assert len({each.socket.getsockname() for (each,) in crews}) == 1
        port = crews[0][0].socket.getsockname()[1]
        crews[0][0].socket.close()
        crews[1][0].socket.close()
        socket.create_connection(("127.0.0.1", port), timeout=5).close()  # the third still listens
        with pytest.raises(OSError, match="Address already in use"):
            bind_for(2, {"a": listener(f"127.0.0.1:{port}")}, {})
    finally:
        for (each,) in crews:
            each.socket.close()


def test_a_socket_of_another_process_is_not_taken() -> None:
    environ = {"LISTEN_FDS": "1", "LISTEN_PID": "1", "LISTEN_FDNAMES": "a"}
    bound = bind({"a": listener("127.0.0.1:0")}, environ)
    assert len(bound) == 1
    bound[0].socket.close()
    assert environ == {}


PASSED = """
import os, sys
from hub.config.model import Listener
from hub.listening import bind_for

os.environ["LISTEN_PID"] = str(os.getpid())
listeners = {"mail": Listener(protocol="smtp", bind=("127.0.0.1:1",))}
try:
    first, second = bind_for(2, listeners, os.environ)
    assert first == second  # shared
    print(*(each.socket.getsockname()[1] for each in first))
except OSError as error:
    print(error)
"""


def run_with_socket(passed: socket.socket, name: str) -> str:
    """What a process prints that is started as systemd starts it, with the socket as descriptor 3."""

    def hand_over() -> None:
        os.dup2(passed.fileno(), 3)

    run = subprocess.run(
        [sys.executable, "-c", PASSED],
        env={**os.environ, "LISTEN_FDS": "1", "LISTEN_FDNAMES": name},
        cwd=Path(__file__).parent.parent,
        preexec_fn=hand_over,
        pass_fds=(3,),
        capture_output=True,
        text=True,
        check=True,
    )
    return run.stdout.strip()


@pytest.mark.parametrize("name", ["mail", "web"])
def test_systemd_s_socket_takes_the_place_of_the_listener_of_its_name(name: str) -> None:
    with socket.socket() as passed:
        passed.bind(("127.0.0.1", 0))
        passed.listen()
        said = run_with_socket(passed, name)
        if name == "mail":
            assert said == str(passed.getsockname()[1])
        else:
            assert "a socket named 'web', which is no listener; the listeners are mail" in said
