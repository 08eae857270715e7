"""Step 1 of the demo: the text, key-value pairs and line items of a PDF, or an error that says what is wrong."""

from __future__ import annotations

import json
import logging
import os
import re
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any

from .fields import find_fields
from .values import find_amounts, find_dates, style_of

try:
    from pypdf import PageObject, PdfReader
    from pypdf.errors import DependencyError
except ImportError as error:
    raise ImportError('the demo reads PDFs with pypdf: pip install "statustrack[demo]"', name="pypdf") from error

__all__ = [
    "DocumentError",
    "EmptyDocumentError",
    "EncryptedDocumentError",
    "NotAPdfError",
    "TruncatedDocumentError",
    "UnreadableDocumentError",
    "extract",
]

MAX_TEXT = 20_000  # characters kept
MAX_JSON = 100_000  # bytes of the whole result: a task's data must stay well below the 400 KB of a DynamoDB item
MAX_VALUES = 200  # amounts, dates
_MAX_READ = 500_000  # characters that are searched for fields
_MAX_PAGES = 200
_MAX_LINE = 1_000  # of a line, that are searched for fields

# pypdf warns about every oddity that it repairs; here a document either can be read or raises.
logging.getLogger("pypdf").setLevel(logging.CRITICAL)


class DocumentError(Exception):
    """The document itself is at fault: trying again cannot help."""


class EmptyDocumentError(DocumentError):
    pass


class NotAPdfError(DocumentError):
    pass


class TruncatedDocumentError(DocumentError):
    pass


class EncryptedDocumentError(DocumentError):
    pass


class UnreadableDocumentError(DocumentError):
    pass


def extract(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read one PDF into a JSON object of at most 100 KB; raises DocumentError, or OSError if the file cannot be opened.

    `key_values` and `line_items` are a best effort: what is not laid out as `Label: value`, as a label beside or above
    its value, or as a table with headings, is only in `text`.
    """
    path = Path(path)
    content = path.read_bytes()
    _check_whole(path.name, content)
    pages, notes = _read_pages(path.name, content)
    lines = [line.rstrip() for page in pages for line in page.splitlines()]
    text = _tidy(lines)
    style = style_of(text)
    key_values, line_items = find_fields([line[:_MAX_LINE] for line in lines], style)
    if not text:
        notes.append("no text: the pages may be scanned images")
    return _bounded(
        {
            "file": path.name,
            "pages": len(pages),
            "text": text[:MAX_TEXT],
            "text_truncated": len(text) > MAX_TEXT,
            "key_values": key_values,
            "line_items": line_items,
            "amounts": [
                {"value": str(amount.value), "currency": amount.currency}
                for amount in islice(find_amounts(text, style), MAX_VALUES)
            ],
            "dates": [day.isoformat() for day in islice(find_dates(text, style), MAX_VALUES)],
            "decimal_mark": style.decimal_mark,
            "date_order": style.date_order,
            "notes": notes,
        }
    )


# -- is it a whole PDF? ----------------------------------------------------------------------------------------------

_OTHER_KINDS = (
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"II*\0", "a TIFF image"),
    (b"MM\0*", "a TIFF image"),
    (b"PK\x03\x04", "a ZIP archive (or an Office document)"),
    (b"\xd0\xcf\x11\xe0", "an old Office document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"{\\rtf", "an RTF document"),
    (b"%!PS", "a PostScript document"),
    (b"\x1aE\xdf\xa3", "a Matroska or WebM video"),
    (b"RIFF", "a RIFF (AVI, WAV or WebP) file"),
    (b"<!doctype html", "an HTML page"),
    (b"<html", "an HTML page"),
    (b"<?xml", "an XML document"),
)


def _check_whole(name: str, content: bytes) -> None:
    if not content:
        raise EmptyDocumentError(f"{name} is empty (0 bytes)")
    if b"%PDF-" not in content[:1024]:  # readers allow some bytes before it, and so do we
        raise NotAPdfError(f"{name} is not a PDF: it starts with {_kind(content)}")
    end = max(content.rfind(b"%%EOF"), content.rfind(b"startxref"))
    # A PDF may have been extended many times, each time with an end mark; nothing may follow the last one.
    # (One made for the web has a mark near its beginning, too: cut off, it would pass for whole if any mark did.)
    if end < 0 or re.search(rb"\d{1,10}\s{1,4}\d{1,5}\s{1,4}obj\b", content[end:]):
        raise TruncatedDocumentError(
            f"{name} is truncated: its {len(content):,} bytes do not reach an end-of-file mark (%%EOF)"
        )


def _kind(content: bytes) -> str:
    if content[4:8] in (b"ftyp", b"moov", b"mdat"):
        return "a QuickTime header" if content[8:12] == b"qt  " else "an MP4 header"
    start = content[:64].lstrip(b"\xef\xbb\xbf \t\r\n")
    for magic, kind in _OTHER_KINDS:
        if start.lower().startswith(magic.lower()):
            return kind
    return f"the bytes {content[:8]!r}"


# -- its text --------------------------------------------------------------------------------------------------------


def _read_pages(name: str, content: bytes) -> tuple[list[str], list[str]]:
    """The text of each page with its columns kept in place, and notes on what could not be read."""
    try:
        reader = PdfReader(BytesIO(content))
        if reader.is_encrypted and not reader.decrypt(""):  # many are encrypted with an empty password
            raise EncryptedDocumentError(f"{name} is encrypted: it needs a password")
        count = len(reader.pages)
    except (DocumentError, MemoryError):
        raise
    except DependencyError as error:
        raise EncryptedDocumentError(f"{name} is encrypted: {error}") from error
    except Exception as error:  # whatever pypdf meets in a damaged file: KeyError, RecursionError, its own errors...
        raise UnreadableDocumentError(f"{name} cannot be read as a PDF: {_brief(error)}") from error
    if count == 0:
        raise UnreadableDocumentError(f"{name} has no pages")

    pages: list[str] = []
    notes: list[str] = []
    failure: Exception | None = None
    for number in range(min(count, _MAX_PAGES)):
        try:
            pages.append(_page_text(reader.pages[number])[:_MAX_READ])
        except MemoryError:
            raise
        except Exception as error:  # one bad page does not cost the others
            failure = error
            pages.append("")
            if len(notes) < 10:
                notes.append(f"page {number + 1} cannot be read: {_brief(error)}")
        if sum(map(len, pages)) > _MAX_READ:
            break
    if failure is not None and not any(pages):
        raise UnreadableDocumentError(f"{name} has no page that can be read: {_brief(failure)}") from failure
    if len(pages) < count:
        notes.append(f"only the first {len(pages)} of {count} pages were read")
    return pages, notes


def _page_text(page: PageObject) -> str:
    try:
        text = page.extract_text(extraction_mode="layout")
    except Exception:  # the layout mode needs the widths of every font; the plain mode does without
        text = page.extract_text()
    # Lone surrogates and control characters, from broken font tables, could be stored nowhere.
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]", "", text)


def _tidy(lines: list[str]) -> str:
    """Columns two spaces apart, paragraphs one empty line apart."""
    text = "\n".join(re.sub(r" {3,}", "  ", line) for line in lines)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def _brief(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error)[:200]}"


def _bounded(extracted: dict[str, Any]) -> dict[str, Any]:
    """Cut, the text first, until the JSON fits: 20,000 characters of some scripts take 120,000 bytes."""
    for part in ("text", "amounts", "dates", "line_items", "key_values"):
        while len(json.dumps(extracted)) > MAX_JSON and extracted[part]:
            value = extracted[part]
            keep = len(value) // 2
            extracted[part] = dict(islice(value.items(), keep)) if isinstance(value, dict) else value[:keep]
            extracted["text_truncated"] = extracted["text_truncated"] or part == "text"
    return extracted
