"""Looking at messages one by one, for a check of the store."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from hub import BlobGone, BlobRecord
from hub_plugin_blobs_segment.record import Header, Reference
from hub_plugin_blobs_segment.scanning import inspected


def inspect_all(
    folder: Path, store: str, references: Sequence[str], deep: bool
) -> list[BlobRecord | BlobGone]:
    """What is known of each of them, or what is wrong with it; each run of one file opens that once."""
    found: list[BlobRecord | BlobGone] = []
    fd, name = -1, ""
    try:
        for text in references:
            try:
                reference = Reference.parse(text)
                if reference.store != store:
                    raise BlobGone(f"it is in the store {reference.store}, this one is {store}")
                if reference.file != name:
                    if fd >= 0:
                        os.close(fd)
                    fd, name = -1, ""
                    fd, name = _open(folder / reference.file), reference.file
                found.append(record_of(reference, inspected(fd, reference, deep=deep)))
            except BlobGone as error:
                found.append(error)
    finally:
        if fd >= 0:
            os.close(fd)
    return found


def record_of(reference: Reference, header: Header) -> BlobRecord:
    """What the rest of the hub calls a record."""
    return BlobRecord(str(reference), header.head_size, reference.length, header.time, header.recovery)


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise BlobGone(f"the file {path.name} is not in the store") from None
