"""Certificates of authorities to trust, in files that change while the hub runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from hub.relay.trust import Trusts
from tests.peers.authority import Authority


def believed(trusts: Trusts, path: Path) -> list[str]:
    """The names of the authorities."""
    found = trusts.of(path).get_ca_certs()
    return [each["subject"][0][0][1] for each in found]


def test_a_file_is_read_again_when_it_has_changed(tmp_path: Path) -> None:
    one, two = (Authority(tmp_path, name).path for name in ("One", "Two"))
    path, trusts = tmp_path / "trust.pem", Trusts()
    path.write_bytes(one.read_bytes())
    assert believed(trusts, path) == ["One"]
    assert trusts.of(path) is trusts.of(path)
    path.write_bytes(one.read_bytes() + two.read_bytes())
    assert sorted(believed(trusts, path)) == ["One", "Two"]
    two.replace(path)
    assert believed(trusts, path) == ["Two"]


def test_what_cannot_be_read_any_more_counts_as_it_was(tmp_path: Path) -> None:
    path, trusts = Authority(tmp_path).path, Trusts()
    good = path.read_bytes()
    assert believed(trusts, path) == ["Authority"]
    with capture_logs() as logs:
        for broken in (b"nothing of the kind\n", None):
            path.unlink() if broken is None else path.write_bytes(broken)
            for _ in range(3):
                assert believed(trusts, path) == ["Authority"]
    assert [each["event"] for each in logs] == ["certificates to trust cannot be read"] * 2
    path.write_bytes(good)
    assert believed(trusts, path) == ["Authority"]


def test_what_could_never_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "bad.pem").write_text("nothing of the kind\n")
    for name in ("missing.pem", "bad.pem"):
        with pytest.raises(OSError, match=r"PEM|No such file|no certificate"):
            Trusts().of(tmp_path / name)
