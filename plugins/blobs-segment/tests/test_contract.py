import pytest

from hub.testing.contracts.blobs import BlobsContract, OpenBlobs


class TestSegments(BlobsContract):
    @pytest.fixture
    def open_blobs(self, open_segments: OpenBlobs) -> OpenBlobs:
        return open_segments
