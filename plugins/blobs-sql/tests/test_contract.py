"""The store does what every store of blobs does, in either database."""

import pytest

from hub.testing.contracts.blobs import BlobsContract, OpenBlobs


class TestSql(BlobsContract):
    @pytest.fixture
    def open_blobs(self, open_store: OpenBlobs) -> OpenBlobs:
        return open_store
