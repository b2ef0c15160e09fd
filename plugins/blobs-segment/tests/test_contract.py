from collections.abc import Callable
from functools import partial

import pytest
from hub_plugin_blobs_segment import SegmentBlobs

from hub.testing.contracts.blobs import BlobsContract, OpenBlobs


class TestSegments(BlobsContract):
    @pytest.fixture
    def open_blobs(self, open_segments: Callable[..., SegmentBlobs]) -> OpenBlobs:
        return partial(open_segments, collect_after=0)


class TestSmallSegments(BlobsContract):
    @pytest.fixture
    def open_blobs(self, open_segments: Callable[..., SegmentBlobs]) -> OpenBlobs:
        return partial(open_segments, collect_after=0, segment_size=16_384)
