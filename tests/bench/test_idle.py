"""How connections are shared out over processes and addresses, and what is said of those that break."""

import ipaddress
import os
import socket
import subprocess
import sys
import threading

import pytest

from bench.idle import PER_ADDRESS, Idle, NotHeld, holding, parts, source
from bench.resident import tree_memory


@pytest.mark.parametrize("count", [1, 2, 3, 99, 101, 10_000])
def test_processes_share_the_count_and_no_source_address(count: int) -> None:
    shared = parts(Idle(25, count), 2)
    assert sum(part.count for part in shared) == count
    addresses = [
        {source(part.first + number // PER_ADDRESS) for number in range(part.count)} for part in shared
    ]
    assert all(one.isdisjoint(other) for one in addresses for other in addresses if one is not other)
    assert all(part.count <= len(its) * PER_ADDRESS for part, its in zip(shared, addresses, strict=True))


def test_source_addresses_are_loopbacks_and_each_another() -> None:
    made = [ipaddress.ip_address(source(number)) for number in range(1000)]
    assert made[0] == ipaddress.ip_address("127.0.0.2")
    assert len(set(made)) == 1000
    assert all(address.is_loopback for address in made)


def test_a_connection_that_the_server_ends_is_reported() -> None:
    with socket.create_server(("127.0.0.1", 0)) as rude:

        def refuse() -> None:
            connection, _ = rude.accept()
            with connection:
                connection.sendall(b"554 no\r\n")

        thread = threading.Thread(target=refuse)
        thread.start()
        idle = Idle(rude.getsockname()[1], 1)
        with pytest.raises(NotHeld, match="closed a connection after b'554 no"), holding(idle):
            pass
        thread.join()


def test_the_memory_of_a_tree_is_that_of_its_processes() -> None:
    before = tree_memory(os.getpid())
    hold = "held = bytearray(64 << 20); held[::4096] = bytes(len(held[::4096])); print(); input()"
    with subprocess.Popen(
        [sys.executable, "-uc", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        during = tree_memory(os.getpid())
        child.communicate(b"\n")
    assert 64 << 10 <= during.anonymous - before.anonymous < 96 << 10
    assert 64 << 10 <= during.proportional - before.proportional < 96 << 10
    assert during.peak - before.peak >= 64 << 10
