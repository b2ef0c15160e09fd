"""Message bytes in append-only segment files.

The folder of a store holds

    store                       its name, 8 characters, made once
    <store>-<time>-<chance>.seg    a segment: records, one after the other
    <store>-<time>-<chance>.blob   one large message: body, header block, recovery bytes, record header
    <store>-<time>-<chance>.part   a large message on its way in

A process appends to one segment, which it has locked (flock), and opens a new one when that is full or a
write to it has failed. A segment that nobody will append to any more is sealed: read-only (mode 0400). The
lock lasts until each message in the file has its rows in the index or will never have any (`holds`); under
it, and no sooner, garbage is collected (`collecting`), so that a file may be gone that once was there. A
record is its header, the recovery bytes, the header block and the body; a reference is
`file:offset:skip:length`, where `skip` counts the octets of record header and recovery bytes and `length`
those of header block and body. References outlive every rewrite of this code: `record.VERSION` says how a
record is laid out, its codec and key how its payload is to be read.
"""

from hub_plugin_blobs_segment.driver import SegmentBlobs, Settings

__all__ = ["SegmentBlobs", "Settings"]
