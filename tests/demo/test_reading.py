"""What the demo makes of documents that are broken, foreign or odd."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from pypdf import PdfReader, PdfWriter

from statustrack.demo.extract import (
    MAX_JSON,
    MAX_TEXT,
    DocumentError,
    EmptyDocumentError,
    EncryptedDocumentError,
    NotAPdfError,
    TruncatedDocumentError,
    UnreadableDocumentError,
    extract,
)
from statustrack.demo.invoices import AS_OF, Documents
from statustrack.demo.questions import QUESTIONS, answer

MakePdf = Callable[..., Path]


# -- broken documents ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("broken-empty.pdf", EmptyDocumentError),
        ("broken-truncated.pdf", TruncatedDocumentError),
        ("broken-video.pdf", NotAPdfError),
    ],
)
def test_a_broken_document_says_what_is_wrong_with_it(
    documents: Documents, name: str, kind: type[DocumentError]
) -> None:
    with pytest.raises(kind, match=re.escape(f"{name} {documents.broken[name]}")):
        extract(documents.folder / name)


def test_the_video_clip_is_a_sound_mp4(documents: Documents) -> None:
    content = (documents.folder / "broken-video.pdf").read_bytes()
    boxes, position = {}, 0
    while position < len(content):
        size = int.from_bytes(content[position : position + 4], "big")
        boxes[content[position + 4 : position + 8]] = position
        position += size
    assert list(boxes) == [b"ftyp", b"moov", b"mdat"]
    assert position == len(content)
    offsets = content.index(b"stco") + 12  # type, version and flags, count; then the offset of the first frame
    assert int.from_bytes(content[offsets : offsets + 4], "big") == boxes[b"mdat"] + 8


@pytest.mark.parametrize("percent", [1, 10, 30, 50, 70, 90, 97])
def test_wherever_a_document_is_cut_it_is_truncated(documents: Documents, tmp_path: Path, percent: int) -> None:
    content = (documents.folder / "invoice-0004.pdf").read_bytes()
    path = tmp_path / "cut.pdf"
    path.write_bytes(content[: len(content) * percent // 100])
    with pytest.raises(TruncatedDocumentError, match=r"cut\.pdf is truncated: its [\d,]+ bytes"):
        extract(path)


def test_an_early_end_mark_does_not_hide_a_cut(documents: Documents, tmp_path: Path) -> None:
    """A document made for the web has an end mark near its beginning."""
    content = (documents.folder / "invoice-0004.pdf").read_bytes()
    path = tmp_path / "web.pdf"
    path.write_bytes(content[:15] + b"startxref\n0\n%%EOF\n" + content[15 : len(content) * 6 // 10])
    with pytest.raises(TruncatedDocumentError):
        extract(path)


def test_rubbish_around_a_whole_document_does_no_harm(documents: Documents, tmp_path: Path) -> None:
    content = (documents.folder / "invoice-0001.pdf").read_bytes()
    path = tmp_path / "padded.pdf"
    path.write_bytes(b"\r\n" + content + b"\0" * 10_000)
    assert extract(path)["key_values"] == extract(documents.folder / "invoice-0001.pdf")["key_values"]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "a PNG image"),
        (b"PK\x03\x04" + bytes(50), "a ZIP archive (or an Office document)"),
        (b"\n<!DOCTYPE html><html>", "an HTML page"),
        (b"Dear all", "the bytes b'Dear all'"),
    ],
)
def test_another_kind_of_file_is_named(tmp_path: Path, content: bytes, kind: str) -> None:
    path = tmp_path / "odd.pdf"
    path.write_bytes(content)
    with pytest.raises(NotAPdfError, match=re.escape(f"odd.pdf is not a PDF: it starts with {kind}")):
        extract(path)


def test_damage_inside_a_document_is_a_document_error(tmp_path: Path) -> None:
    path = tmp_path / "damaged.pdf"
    path.write_bytes(b"%PDF-1.7\nnothing of what was announced\nstartxref\n9\n%%EOF\n")
    with pytest.raises(UnreadableDocumentError, match=r"damaged\.pdf cannot be read as a PDF: \w+: "):
        extract(path)


def test_a_document_without_pages_is_a_document_error(tmp_path: Path) -> None:
    path = tmp_path / "none.pdf"
    PdfWriter().write(path)
    with pytest.raises(UnreadableDocumentError, match=r"none\.pdf has no pages"):
        extract(path)


def test_a_password_is_asked_for_by_name(make_pdf: MakePdf, tmp_path: Path) -> None:
    writer = PdfWriter(clone_from=PdfReader(make_pdf("Invoice no: 4711")))
    writer.encrypt("secret", algorithm="RC4-128")
    writer.write(tmp_path / "locked.pdf")
    with pytest.raises(EncryptedDocumentError, match=r"locked\.pdf is encrypted: it needs a password"):
        extract(tmp_path / "locked.pdf")
    writer = PdfWriter(clone_from=PdfReader(make_pdf("Invoice no: 4711")))
    writer.encrypt("", "owner", algorithm="RC4-128")  # anyone may read it
    writer.write(tmp_path / "open.pdf")
    assert extract(tmp_path / "open.pdf")["key_values"] == {"Invoice no": "4711"}


def test_a_missing_file_is_not_the_document_s_fault(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        extract(tmp_path / "gone.pdf")


# -- the user's own documents ----------------------------------------------------------------------------------------


def test_a_document_that_is_no_invoice_has_no_answers(make_pdf: MakePdf) -> None:
    letter = "Dear Ms. Brown,\n\nthank you for your letter from Monday. The client: happy. We meet at 10:30, see https://example.com/a:b."
    answers = answer(extract(make_pdf(letter, letter)), AS_OF)
    assert all(answers[question] is None for question in QUESTIONS)
    assert "this does not look like an invoice" in answers["notes"]
    assert {f"{question.replace('_', ' ')}: not found" for question in QUESTIONS} <= set(answers["notes"])


def test_a_scan_has_no_text_and_says_so(make_pdf: MakePdf) -> None:
    found = extract(make_pdf(""))
    assert (found["text"], found["key_values"], found["line_items"]) == ("", {}, [])
    assert found["notes"] == ["no text: the pages may be scanned images"]
    assert answer(found, AS_OF)["total_due"] is None


def test_an_invoice_of_another_make_is_read_as_far_as_it_goes(make_pdf: MakePdf) -> None:
    text = (
        "Invoice no. A-77\nFrom: Example Ltd\nCurrency: SEK\nDate: 2 Jan 2025\nTerms: 14 days\nTotal amount: 1.250,00"
    )
    answers = answer(extract(make_pdf(text)), date(2025, 1, 16))
    assert answers["invoice_number"] == "A-77"
    assert answers["seller"] == "Example Ltd"
    assert (answers["total_due"], answers["currency"]) == ("1250.00", "SEK")
    assert (answers["due_date"], answers["overdue"]) == ("2025-01-16", False)
    assert answers["notes"][0] == "due date: worked out from the payment terms"
    assert answers["lines_match_total"] is None
    assert "lines match total: not found" in answers["notes"]


def test_a_long_document_is_cut_to_what_a_task_can_hold(make_pdf: MakePdf) -> None:
    page = "\n".join(f"Value {number} of many: {number * 7}.50 EUR" for number in range(50))
    found = extract(make_pdf(*[page] * 40))
    assert len(found["text"]) == MAX_TEXT
    assert found["text_truncated"]
    assert len(found["key_values"]) == 50
    assert len(json.dumps(found)) <= MAX_JSON


def test_text_of_any_script_stays_below_the_cap(make_pdf: MakePdf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "statustrack.demo.extract._page_text", lambda page: "Schlüssel: Wert 😀\n" + "😀" * 900 + "\n" + "漢字 " * 9_000
    )
    found = extract(make_pdf("any", "any", "any"))
    assert len(json.dumps(found)) <= MAX_JSON
    assert found["text_truncated"]
    assert found["key_values"] == {"Schlüssel": "Wert 😀"}


def test_one_bad_page_does_not_cost_the_others(make_pdf: MakePdf, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["Invoice no: 5"]

    def read(page: object) -> str:
        if not texts:
            raise KeyError("/Font")
        return texts.pop()

    monkeypatch.setattr("statustrack.demo.extract._page_text", read)
    found = extract(make_pdf("one", "two"))
    assert found["key_values"] == {"Invoice no": "5"}
    assert found["notes"] == ["page 2 cannot be read: KeyError: '/Font'"]
