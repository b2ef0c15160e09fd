"""imapflow, which webmail is made with: what it finds offered it uses, from COMPRESS to QRESYNC."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.clients.conftest import PASSWORD, Account, needs, run

MODULES = Path(__file__).parents[1] / "peers" / "node_modules"


@needs("node")
@pytest.mark.skipif(
    not (MODULES / "imapflow").exists(), reason="no imapflow here: tests/peers/install.sh installs it"
)
def test_webmail_reads_moves_and_is_told(account: Account, tmp_path: Path) -> None:
    script = Path(__file__).with_name("imapflow.mjs")
    port = str(account.hub.imaps_port)
    said = json.loads(
        run(
            "node",
            script,
            port,
            account.user,
            PASSWORD,
            account.certificate,
            cwd=tmp_path,
            MODULES=str(MODULES),
        )
    )
    assert said["exists"] == 3
    assert said["subjects"] == ["first", "second", "third"]
    assert said["found"] == [2]
    assert said["flags"] == ["\\Flagged", "\\Seen", "work"]
    assert said["archived"] == 1
    assert said["told"] == 2
