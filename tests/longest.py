"""The files that take longest go first: one that is begun last would be waited for by all other processes."""

from __future__ import annotations

from typing import Final

import pytest

LONGEST: Final = (
    "plugins/storage-sql/tests/test_contract.py",
    "tests/store/test_kill.py",
    "tests/test_supervisor.py",
    "tests/test_plugin_journey.py",
    "tests/plugins/test_every_plugin.py",
    "tests/test_two_hubs.py",
    "tests/reload/test_under_fire.py",
    "tests/reload/test_workers.py",
    "plugins/directory-sql/tests/test_postgres.py",
    "tests/dovecot/test_oracle.py",
    "plugins/dkim-sign/tests/test_dkim_sign.py",
    "plugins/blobs-sql/tests/test_contract.py",
    "tests/reload/test_replacing.py",
    "tests/store/test_trouble.py",
    "tests/property/test_mail.py",
    "tests/property/test_config.py",
    "tests/reload/test_rollback.py",
    "tests/docs/test_code_blocks.py",
    "tests/bench/test_measure.py",
)
"""As measured; most of them have few tests, each with hubs of its own, and start processes."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order whole files; within a file, and among all others, nothing changes."""
    rank = {file: number for number, file in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.nodeid.partition("::")[0], len(rank)))
