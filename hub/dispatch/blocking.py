"""An event loop that somebody does not give back is noticed from outside of it, with the place.

The loop's heart beats in the mapped file of `hub.dispatch.judging`. Whoever looks at it asks a process that
is silent by a signal for its stack, which is written by C code that needs neither the loop nor the GIL.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, NoReturn, Self

from hub.dispatch.blame import culprit
from hub.dispatch.judging import BEAT, read_beats
from hub.log import get_logger

NOTICED: Final = 1.0
"""Seconds after which a blocked loop is worth a line."""
LOCKED: Final = 2.0
"""Seconds after which a thread that gets no turn shows who has it."""
ASK: Final = signal.SIGUSR2
WRITING: Final = 0.05
"""Seconds that a process has to write down where it stands."""

_EXIT: Final = os._exit
_log = get_logger(area="loop")


class Stack:
    """The file into which a process writes where it stands: when it is asked, when it crashes, and when
    somebody ends it by `os._exit`.

    It lies beside the file with the notes. The process enters it, and leaves it if it ends of its own will.
    """

    def __init__(self, notes: Path) -> None:
        self._path = notes.with_suffix(".stack")

    def __enter__(self) -> Self:
        """This process writes there from now on; to its standard error if it cannot."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC
        try:
            self._descriptor = os.open(self._path, flags, 0o600)
        except OSError as error:
            _log.warning("no file for stacks", reason=str(error))
            self._descriptor = os.dup(2)
        self._pid = os.getpid()
        faulthandler.register(ASK, self._descriptor, all_threads=False)
        faulthandler.enable(self._descriptor)
        os._exit = self._exit
        return self

    def __exit__(self, *_: object) -> None:
        os._exit = _EXIT
        faulthandler.unregister(ASK)
        faulthandler.disable()
        os.close(self._descriptor)
        self._path.unlink(missing_ok=True)

    def _exit(self, status: int) -> NoReturn:
        """Nothing else would tell who called it: an exit leaves no trace, unlike a crash."""
        if os.getpid() == self._pid:  # a child that a plugin has forked ends this way by right
            faulthandler.dump_traceback(self._descriptor)
        _EXIT(status)

    def read(self) -> str:
        """What was written last; empty if nothing was."""
        try:
            return self._path.read_text("utf-8", "replace").strip()
        except FileNotFoundError:
            return ""

    def clear(self) -> None:
        """Forget what was written."""
        if self._path.exists():
            os.truncate(self._path, 0)


class Silence:
    """For how long a heart has not been seen to beat; time in which nobody looked counts as one look."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._beats = 0
        self._seen_at = 0.0
        self.seconds = 0.0

    def look(self, now: float) -> float:
        """Seconds of silence; 0 for a process whose heart has not begun to beat."""
        beats = read_beats(self._path)
        if beats != self._beats or not beats:
            self._beats, self.seconds = beats, 0.0
        else:
            self.seconds += min(now - self._seen_at, 2 * BEAT)
        self._seen_at = now
        return self.seconds


class Watch:
    """A thread that watches the loop of its own process, where there is no supervisor, while it is entered.

    Code that keeps Python's lock keeps it from this thread too: then C code writes all stacks to standard
    error, as they are.
    """

    def __init__(self, beats: Path, stack: Stack, now: Callable[[], float]) -> None:
        self._silence = Silence(beats)
        self._stack = stack
        self._now = now
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="loop watch", daemon=True)

    def __enter__(self) -> None:
        """From the loop's own thread."""
        self._loop_thread = threading.get_ident()
        faulthandler.dump_traceback_later(LOCKED, file=2)
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        faulthandler.cancel_dump_traceback_later()

    def _watch(self) -> None:
        blocked = 0.0
        while not self._over.wait(BEAT):
            faulthandler.dump_traceback_later(LOCKED, file=2)
            silent = self._silence.look(self._now())
            if silent >= NOTICED and not blocked:
                self._stack.clear()
                signal.pthread_kill(self._loop_thread, ASK)
                self._over.wait(WRITING)
                stack = self._stack.read()
                _log.error("the loop is blocked", by=culprit(stack), seconds=silent, stack=stack)
            elif blocked and not silent:
                _log.info("the loop goes on", seconds=blocked)
                self._stack.clear()  # what the process may die of later is something else
            blocked = silent if silent >= NOTICED else 0.0
