"""A child process that keeps nothing of its parent but its own sockets."""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from typing import Final

FIRST: Final = 3
"""The first file descriptor after stdin, stdout and stderr."""
_HELD: Final = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD})


def fork(work: Callable[[socket.socket], int], keep: Sequence[socket.socket]) -> tuple[int, socket.socket]:
    """Run the work in a child and never return there; gives its pid and our end of the lifeline.

    The work gets the other end, which reads EOF when we are gone. Its result is the exit code. Not to be
    called inside of a running event loop. OSError.
    """
    ours, theirs = socket.socketpair()
    # A signal that reached the child too early would be handled by the parent, through its wakeup socket.
    signal.pthread_sigmask(signal.SIG_BLOCK, _HELD)
    try:
        pid = os.fork()
        if pid == 0:
            _become(work, theirs, keep)
    except OSError:
        ours.close()
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HELD)
        theirs.close()
    return pid, ours


def _become(
    work: Callable[[socket.socket], int], lifeline: socket.socket, keep: Iterable[socket.socket]
) -> None:
    """The child's life; ends the process."""
    code = 1
    try:
        gc.freeze()  # the parent's objects are not ours to finalize
        signal.set_wakeup_fd(-1)
        for number in _HELD:
            signal.signal(number, signal.SIG_DFL)
        # A terminal sends these to everybody: the parent tells us what they mean.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        _close_all_but({lifeline.fileno(), *(each.fileno() for each in keep)})
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HELD)
        code = work(lifeline)
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _close_all_but(keep: set[int]) -> None:
    """Else a sibling's lifeline, or the control socket, would stay open as long as we live."""
    start = FIRST
    for descriptor in sorted(keep):
        os.closerange(start, descriptor)
        start = descriptor + 1
    os.closerange(start, os.sysconf("SC_OPEN_MAX"))


def end_of(status: int) -> dict[str, str | int]:
    """How a process ended, for the log: its exit code, or the signal that killed it."""
    if status >= 0:
        return {"code": status}
    try:
        return {"signal": signal.Signals(-status).name}
    except ValueError:  # a real-time signal has no name
        return {"signal": -status}
