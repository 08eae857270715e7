"""Which documents a run is about: invoices made on the spot, whose truth is known, or a folder of the user's own."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from statustrack.core.config import DEFAULT_SEP
from statustrack.core.errors import ConfigError
from statustrack.demo.invoices import AS_OF, TRUTH_FILE, generate

INVOICES = 200
USE_CASE = "pdf_processing"


@dataclass(frozen=True)
class Inbox:
    """The documents of one run; ``truth`` and ``broken`` are empty for the user's own."""

    folder: Path
    task_ids: list[str]
    use_case_id: str
    as_of: date
    truth: dict[str, dict[str, Any]] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)  #: why some files of the folder are no tasks


def invoices_in(folder: Path) -> int | None:
    """How many invoices an earlier run made there; None where there was none."""
    try:
        made = json.loads((folder / TRUTH_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    count = made.get("count") if isinstance(made, dict) else None
    return count if isinstance(count, int) and count > 0 else None


def generated(folder: Path, count: int) -> Inbox:
    """Invoices with known truth and three broken documents, made now or by an earlier run."""
    made = generate(folder, count)
    names = [path.name for path in made.paths]
    return Inbox(folder, names, USE_CASE, AS_OF, made.truth, made.broken)


def own(folder: Path, today: date) -> Inbox:
    """Every ``.pdf`` below a folder of the user's; nothing in it is changed.

    :raises ConfigError: there is no such folder, or no PDF in it.
    """
    if not folder.exists():
        raise ConfigError(f"--pdfs {folder}: there is no such folder.")
    if not folder.is_dir():
        raise ConfigError(f"--pdfs {folder} is a file: give a folder with documents.")
    try:
        # Checked first, since a search passes over a folder that it may not read.
        next(folder.iterdir(), None)
    except OSError as error:
        raise ConfigError(f"--pdfs {folder} cannot be read: {error.strerror or error}.") from error
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() == ".pdf" and path.is_file())
    task_ids, left_out = [], []
    for path in found:
        name = path.relative_to(folder).as_posix()
        if _is_text(name):
            task_ids.append(name)
        else:
            left_out.append(f"{name!r} is left out: its name is not valid text, so it can be no task id.")
    if not task_ids:
        raise ConfigError(f"--pdfs {folder}: there is no .pdf file in it, nor in the folders below it.")
    return Inbox(folder, task_ids, use_case_of(folder), today, left_out=left_out)


def use_case_of(folder: Path) -> str:
    """A use case of its own for each folder: files of one name in two folders are two tasks."""
    place = folder.resolve()
    name = re.sub(r"[^\w.-]+|_+", "-", place.name).strip("-")[:40] or "folder"
    digest = hashlib.sha256(str(place).encode("utf-8", "surrogateescape")).hexdigest()[:6]
    use_case_id = f"pdfs-{name}-{digest}"
    assert DEFAULT_SEP not in use_case_id
    return use_case_id


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
