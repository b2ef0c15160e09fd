"""A real Dovecot for the tests: started at its first use, stopped with the session."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.dovecot import Backend, Dovecot, missing, running

needs_dovecot = pytest.mark.skipif(missing() is not None, reason=str(missing()))

# Tests lose nothing by a crash; extensions that Debian's package has and leaves off.
_SETTINGS = (
    "mail_fsync = never",
    "auth_failure_delay = 0",
    "imap_metadata = yes",
    "mail_attribute_dict = file:%h/attributes",
    "protocol imap {",
    "  mail_plugins = imap_zlib",
    "}",
)


@contextmanager
def serving(backend: Backend) -> Iterator[Dovecot]:
    """A Dovecot in a folder of its own, for pytest's is closed to other users."""
    folder = Path(tempfile.mkdtemp(prefix="hub-dovecot-"))
    try:
        with running(folder, backend, _SETTINGS) as dovecot:
            yield dovecot
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def dovecot() -> Iterator[Dovecot]:
    """The session's server. An sdbox keeps flags as they are; a maildir has names for some."""
    if (why := missing()) is not None:
        pytest.skip(why)
    with serving("sdbox") as found:
        yield found
