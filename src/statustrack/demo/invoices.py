"""Fills a folder with real PDF invoices whose truth is known, and with three broken documents."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from .billing import AS_OF, invent
from .broken import truncated, video_clip
from .looks import LOOKS

__all__ = ["AS_OF", "BROKEN", "TRUTH_FILE", "Documents", "generate"]

TRUTH_FILE = "truth.json"

#: The broken documents, and a phrase of the error that each must end with.
BROKEN = {
    "broken-empty.pdf": "is empty (0 bytes)",
    "broken-truncated.pdf": "is truncated",
    "broken-video.pdf": "is not a PDF: it starts with an MP4 header",
}

# Part of the truth file: files of another version of this generator are not taken for this one's.
_FORMAT = "statustrack demo invoices, 1"


@dataclass(frozen=True)
class Documents:
    """The generated folder: where it is, what each invoice says (file name -> truth), which files are broken."""

    folder: Path
    truth: dict[str, dict[str, Any]]
    broken: dict[str, str]
    reused: bool

    @property
    def paths(self) -> list[Path]:
        return [self.folder / name for name in sorted([*self.truth, *self.broken])]


def generate(folder: str | os.PathLike[str], count: int = 200, seed: int = 2025) -> Documents:
    """Write `count` invoices, three broken documents and `truth.json` into `folder`, or reuse what is already there.

    The same seed and count give the same bytes. Only files that an earlier run made are ever replaced or removed:
    a file of somebody else's with one of our names is refused.
    """
    if count < 1:
        raise ValueError(f"count is {count}: at least 1 invoice is needed")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"invoice-{index:04d}.pdf" for index in range(1, count + 1)]
    before = _read(folder)
    if before is not None and before.get("seed") == seed and before.get("count") == count and _intact(folder, before):
        return Documents(folder, before["truth"], dict(BROKEN), reused=True)
    ours = set(before["files"]) if before is not None else set()
    for name in [*names, *BROKEN] + ([TRUTH_FILE] if before is None else []):
        if name not in ours and (folder / name).exists():
            raise FileExistsError(f"{folder / name} is there and was not made by the demo: choose another folder")
    # Written first, so that files left by a run that was interrupted are known as ours; `truth` makes it complete.
    _write(folder / TRUTH_FILE, _as_json({"format": _FORMAT, "files": dict.fromkeys([*ours, *names, *BROKEN], "")}))
    for name in ours - {*names, *BROKEN}:
        (folder / name).unlink(missing_ok=True)

    truth: dict[str, dict[str, Any]] = {}
    files: dict[str, str] = {}
    for index, name in enumerate(names, start=1):
        document, truth[name] = _invoice(index, seed)
        files[name] = _write(folder / name, document)
    cut = truncated(_invoice(count + 1, seed)[0])
    for name, document in zip(BROKEN, (b"", cut, video_clip(seed)), strict=True):
        files[name] = _write(folder / name, document)
    made = {"format": _FORMAT, "seed": seed, "count": count, "as_of": AS_OF.isoformat(), "files": files, "truth": truth}
    _write(folder / TRUTH_FILE, _as_json(made))
    return Documents(folder, truth, dict(BROKEN), reused=False)


def _invoice(index: int, seed: int) -> tuple[bytes, dict[str, Any]]:
    from .layouts import draw  # needs fpdf2, which a run that reuses its files does without

    # One generator per invoice: invoice 7 is the same whether 10 or 200 are made.
    rng = Random(f"{seed}/{index}")
    look = LOOKS[(index - 1) % len(LOOKS)]
    invoice = invent(rng, index, look.country, look.currency)
    document, pages = draw(invoice, look, rng)
    return document, {"layout": look.name, "pages": pages, **invoice.truth()}


def _read(folder: Path) -> dict[str, Any] | None:
    try:
        content = json.loads((folder / TRUTH_FILE).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return content if isinstance(content, dict) and content.get("format") == _FORMAT else None


def _intact(folder: Path, before: dict[str, Any]) -> bool:
    try:
        return all(_digest((folder / name).read_bytes()) == digest for name, digest in before["files"].items())
    except FileNotFoundError:
        return False


def _write(path: Path, content: bytes) -> str:
    # By way of a second name: a reader, or a second demo in the same folder, never sees half a file.
    draft = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    draft.write_bytes(content)
    os.replace(draft, path)
    return _digest(content)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _as_json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, indent=1).encode() + b"\n"
