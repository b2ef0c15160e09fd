"""Keeps a current OCSP response for each certificate that names a responder; no handshake waits for one.

`<data>/ocsp/<fingerprint>.der` holds the last one of each, for a restart and for the other workers.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from hub.log import get_logger
from hub.tls.certificates import Certificates
from hub.tls.ocsp import OcspError, Response, Subject, fetch, judge, must_staple, subject_of
from hub.tls.pair import Pair

FOLDER: Final = "ocsp"
LOOK: Final = 10.0
"""Seconds between two looks at what is due, and at what other workers have got."""
FIRST_PAUSE: Final = 60.0
LONGEST_PAUSE: Final = 3600.0
"""Seconds until a responder that failed is asked again."""

_log = get_logger(area="tls")


class Stapler:
    """One per process, from `start` to `close`."""

    def __init__(self, data: Path) -> None:
        self._folder = data / FOLDER
        self._responses: dict[str, Response] = {}
        self._subjects: dict[str, tuple[Pair, Subject]] = {}
        self._failures: dict[str, tuple[int, float]] = {}
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Ask, from now on."""
        self._task = asyncio.get_running_loop().create_task(self._keep(), name="OCSP")

    async def close(self) -> None:
        """Ask no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    def take(self, certificates: Certificates) -> None:
        """Look after these. Blocks for as long as it takes to read a response for each from the disk."""
        found = ((pair, subject_of(pair.chain)) for pair in certificates.pairs)
        self._subjects = {pair.fingerprint: (pair, subject) for pair, subject in found if subject is not None}
        for kept in (self._responses, self._failures):
            for gone in kept.keys() - self._subjects.keys():
                del kept[gone]
        for fingerprint, (_, subject) in self._subjects.items():
            self._read(fingerprint, subject)
        self._news.set()

    def response(self, pair: Pair) -> Response | None:
        """What can be stapled to a certificate now."""
        found = self._responses.get(pair.fingerprint)
        return found if found is not None and found.is_current(datetime.now(UTC)) else None

    async def _keep(self) -> None:
        while True:
            self._news.clear()
            for fingerprint, (pair, subject) in tuple(self._subjects.items()):
                try:
                    await self._look_after(fingerprint, pair, subject)
                except OSError as error:
                    _log.warning("OCSP response not kept", file=str(self._folder), reason=str(error))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK):
                    await self._news.wait()

    async def _look_after(self, fingerprint: str, pair: Pair, subject: Subject) -> None:
        now = datetime.now(UTC)
        known = self._responses.get(fingerprint)
        if known is not None and not known.is_due(now):
            return
        failures, again = self._failures.get(fingerprint, (0, 0.0))
        if now.timestamp() < again:
            return
        with self._alone() as alone:
            if not alone:
                return  # another worker asks, and the next look finds what it got
            newer = self._read(fingerprint, subject)
            if newer is not None and not newer.is_due(now):
                return
            try:
                fresh = await fetch(subject)
            except OcspError as error:
                pause = min(FIRST_PAUSE * 2 ** min(failures, 10), LONGEST_PAUSE)
                self._failures[fingerprint] = failures + 1, now.timestamp() + pause
                self._tell(pair, str(error))
                return
            self._failures.pop(fingerprint, None)
            self._responses[fingerprint] = fresh
            self._write(fingerprint, fresh)
        _log.info("OCSP response", certificate=pair.label, until=fresh.until.isoformat())

    def _tell(self, pair: Pair, reason: str) -> None:
        if self.response(pair) is None and must_staple(pair.chain):
            reason += "; the certificate says must-staple, so clients that check it will refuse it"
            _log.error("OCSP", certificate=pair.label, reason=reason)
        else:
            _log.warning("OCSP", certificate=pair.label, reason=reason)

    def _read(self, fingerprint: str, subject: Subject) -> Response | None:
        with contextlib.suppress(OSError, OcspError):
            found = judge(subject, self._file(fingerprint).read_bytes(), datetime.now(UTC))
            self._responses[fingerprint] = found
            return found
        return None

    def _write(self, fingerprint: str, response: Response) -> None:
        file = self._file(fingerprint)
        beside = file.with_suffix(".new")
        beside.write_bytes(response.der)
        beside.replace(file)

    def _file(self, fingerprint: str) -> Path:
        return self._folder / f"{fingerprint.replace(':', '').lower()}.der"

    @contextlib.contextmanager
    def _alone(self) -> Iterator[bool]:
        """Whether no other worker is asking now; none begins meanwhile."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
        finally:
            os.close(descriptor)
