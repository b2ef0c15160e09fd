"""What clamd has said of messages that come again: a bounded memory by content and by clamd's version."""

import threading
import time
from collections import OrderedDict
from collections.abc import Collection, Iterable
from hashlib import blake2b


class Verdicts:
    """The last verdicts. size: how many; 0 for none. seconds: for how long each counts."""

    def __init__(self, size: int, seconds: float) -> None:
        self._size = size
        self._seconds = seconds
        self._known: OrderedDict[tuple[str, bytes], tuple[float, str | None]] = OrderedDict()
        self._lock = threading.Lock()

    def key(self, chunks: Iterable[bytes]) -> bytes | None:
        """What tells one message from every other, None if nothing is remembered."""
        if not self._size:
            return None
        digest = blake2b(digest_size=32)
        for chunk in chunks:
            digest.update(chunk)
        return digest.digest()

    def get(self, version: str, key: bytes | None) -> tuple[bool, str | None]:
        """Whether that version of clamd has judged it, and the virus."""
        if key is None:
            return False, None
        with self._lock:
            found = self._known.get((version, key))
            if found is None or time.monotonic() >= found[0]:
                return False, None
            self._known.move_to_end((version, key))
            return True, found[1]

    def put(self, version: str, key: bytes | None, virus: str | None) -> None:
        """Remember it, and forget what was not asked for longest."""
        if key is None:
            return
        with self._lock:
            self._known[version, key] = time.monotonic() + self._seconds, virus
            while len(self._known) > self._size:
                self._known.popitem(last=False)

    def keep_only(self, versions: Collection[str]) -> None:
        """Forget what no daemon of now has said."""
        with self._lock:
            for key in [key for key in self._known if key[0] not in versions]:
                del self._known[key]
