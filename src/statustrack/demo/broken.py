"""Documents that no PDF reader can read, as every real inbox has them: one cut off, one that is a video clip."""

from __future__ import annotations

import struct
from random import Random


def truncated(pdf: bytes) -> bytes:
    """A download that stopped at 60 %: it begins like a PDF, but the table that says where everything is has gone."""
    return pdf[: len(pdf) * 6 // 10]


def video_clip(seed: int) -> bytes:
    """A small MP4: one motion-JPEG track of ten frames, 160 x 90, with the boxes that players and `file` look for."""
    rng = Random(f"video-{seed}")
    frames = [b"\xff\xd8\xff\xe0" + rng.randbytes(rng.randint(300, 900)) + b"\xff\xd9" for _ in range(10)]
    file_type = _box(b"ftyp", b"isom", struct.pack(">I", 0x200), b"isomiso2mp41")
    # The movie box holds the offset of the first frame, and its own size does not depend on that number.
    offset = len(file_type) + len(_movie(frames, 0)) + 8
    return file_type + _movie(frames, offset) + _box(b"mdat", *frames)


_SCALE = 600  # time units per second
_FRAME = 24  # units per frame: 25 frames a second
_MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)


def _box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I", len(body) + 8) + kind + body


def _full(kind: bytes, *parts: bytes, flags: int = 0) -> bytes:
    return _box(kind, struct.pack(">I", flags), *parts)


def _movie(frames: list[bytes], offset: int) -> bytes:
    duration = len(frames) * _FRAME
    times = struct.pack(">4I", 0, 0, _SCALE, duration)
    rate_and_volume = struct.pack(">IHH", 0x10000, 0x100, 0)
    header = _full(b"mvhd", times, rate_and_volume, bytes(8), _MATRIX, bytes(24), struct.pack(">I", 2))
    track, size = struct.pack(">5I", 0, 0, 1, 0, duration), struct.pack(">II", 160 << 16, 90 << 16)
    track_header = _full(b"tkhd", track, bytes(16), _MATRIX, size, flags=7)
    media = _box(
        b"mdia",
        _full(b"mdhd", times, struct.pack(">HH", 0x55C4, 0)),
        _full(b"hdlr", bytes(4), b"vide", bytes(12), b"VideoHandler\0"),
        _box(
            b"minf",
            _full(b"vmhd", bytes(8), flags=1),
            _box(b"dinf", _full(b"dref", struct.pack(">I", 1), _full(b"url ", flags=1))),
            _samples(frames, offset),
        ),
    )
    return _box(b"moov", header, _box(b"trak", track_header, media))


def _samples(frames: list[bytes], offset: int) -> bytes:
    entry = _box(
        b"jpeg",
        bytes(6),
        struct.pack(">H", 1),
        bytes(16),
        struct.pack(">HHIIIH", 160, 90, 0x480000, 0x480000, 0, 1),
        bytes(32),
        struct.pack(">Hh", 24, -1),
    )
    return _box(
        b"stbl",
        _full(b"stsd", struct.pack(">I", 1), entry),
        _full(b"stts", struct.pack(">3I", 1, len(frames), _FRAME)),
        _full(b"stsc", struct.pack(">4I", 1, 1, len(frames), 1)),
        _full(b"stsz", struct.pack(">II", 0, len(frames)), b"".join(struct.pack(">I", len(frame)) for frame in frames)),
        _full(b"stco", struct.pack(">II", 1, offset)),
    )
