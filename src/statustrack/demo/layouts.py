"""Draws an invented invoice as a real PDF, in one of several house styles, on one page or two."""

from __future__ import annotations

from datetime import datetime, time, timezone
from random import Random

from .billing import Invoice, Line, Party
from .looks import Column, Look

try:
    from fpdf import FPDF
except ImportError as error:
    raise ImportError('the demo draws its invoices with fpdf2: pip install "statustrack[demo]"', name="fpdf") from error

_LEFT = 20
_RIGHT = 190
_BOTTOM = 250  # below it: the footer
_ROW_ROOM = 20  # what the rows must leave free for a line of carry-over


def draw(invoice: Invoice, look: Look, rng: Random) -> tuple[bytes, int]:
    """The PDF and its number of pages; the same arguments give the same bytes."""
    sheet = _Sheet(invoice, look, rng)
    sheet.head()
    sheet.table()
    sheet.totals()
    sheet.closing()
    return bytes(sheet.pdf.output()), sheet.pdf.page


class _Sheet:
    """One document in the making: the pen (`y`) moves down, and on to a next page where the rows need one."""

    def __init__(self, invoice: Invoice, look: Look, rng: Random) -> None:
        self.invoice = invoice
        self.look = look
        self.words = {what: rng.choice(variants) if variants else "" for what, variants in look.words.items()}
        self.colon = rng.choice((":", ""))
        self.rng = rng
        pdf = self.pdf = FPDF(format="letter" if look.country == "US" else "A4")
        pdf.core_fonts_encoding = "cp1252"  # latin-1, the default, has no euro sign
        pdf.set_auto_page_break(False)
        # A fixed date makes the bytes a function of the seed; fpdf2 would stamp the current time.
        pdf.set_creation_date(datetime.combine(invoice.issued, time(9), timezone.utc))
        pdf.set_title(f"{self.words['title']} {invoice.number}")
        pdf.set_author(invoice.seller.name)
        self.y = 20.0
        self._new_page()

    # -- the parts of the page -------------------------------------------------------------------------------------

    def head(self) -> None:
        if self.look.header == "letterhead":
            self._letterhead()
        elif self.look.header == "parties":
            self._parties()
        else:
            self._boxes()

    def table(self) -> None:
        self._table_head()
        carried = self.invoice.lines[0].amount * 0
        for position, line in enumerate(self.invoice.lines, start=1):
            if self.y + self._row_height(line) > _BOTTOM - _ROW_ROOM:
                if self.look.carries_forward:
                    self._total_row(self.words["forward"], self.look.amount(carried))
                self._new_page()
                self._text(_LEFT, f"{self.words['title']} {self.invoice.number}", size=9)
                self.y += 10
                if self.look.carries_forward:
                    self._total_row(self.words["back"], self.look.amount(carried))
                self._table_head()
            self._row(position, line)
            carried += line.amount

    def totals(self) -> None:
        if self.y > _BOTTOM - 35:
            self._new_page()
        invoice, look = self.invoice, self.look
        self.y += 4
        self._total_row(self.words["subtotal"], look.amount(invoice.subtotal))
        percent = str(invoice.tax_percent).replace(".", look.marks[1])
        self._total_row(self.words["tax"].format(percent), look.amount(invoice.tax))
        self._rule(120)
        self._total_row(self.words["total"], look.amount(invoice.total), bold=True)

    def closing(self) -> None:
        if self.look.small_print and self.rng.random() < 0.5:
            self._new_page()
            for sentence in _SMALL_PRINT:
                self._text(_LEFT, sentence, size=8)
                self.y += 5

    def _letterhead(self) -> None:
        seller = self.invoice.seller
        self._text(_LEFT, seller.name, size=15, bold=True)
        self._text(150, self.words["title"], size=15, bold=True)
        self.y += 8
        self._text(_LEFT, f"{seller.street}, {seller.city}", size=8)
        self.y += 14
        top = self.y
        self._party(_LEFT, self.words["to"] + self.colon, self.invoice.buyer)
        bottom, self.y = self.y, top
        for label, value in self._meta():
            self._text(115, label + self.colon)
            self._text(155, value)
            self.y += 6
        self.y = max(bottom, self.y) + 8

    def _parties(self) -> None:
        self._text(_LEFT, self.words["title"], size=18, bold=True)
        self.y += 10
        for label, value in self._meta():
            self._text(_LEFT, f"{label}: {value}")
            self.y += 5
        self.y += 6
        top = self.y
        self._party(_LEFT, self.words["from"] + self.colon, self.invoice.seller)
        self.y = top
        self._party(110, self.words["to"] + self.colon, self.invoice.buyer)
        self.y += 8

    def _boxes(self) -> None:
        pdf = self.pdf
        pdf.set_fill_color(*self.look.colour)
        pdf.rect(0, 0, pdf.w, 14, style="F")
        self._text(_LEFT, self.words["title"], size=18, bold=True)
        self.y += 14
        # Labels above their values: the arrangement that line-by-line readers get wrong.
        meta = self._meta()
        width = (_RIGHT - _LEFT) / len(meta)
        for column, (label, value) in enumerate(meta):
            x = _LEFT + column * width
            pdf.set_draw_color(*self.look.colour)
            pdf.rect(x, self.y - 1, width, 13)
            self._text(x + 1, label, size=8)
            self.y += 6
            self._text(x + 1, value, size=9)
            self.y -= 6
        self.y += 20
        top = self.y
        parties = [("from", self.invoice.seller), ("to", self.invoice.buyer), ("ship", self.invoice.buyer)]
        for column, (label, party) in enumerate(parties if self.rng.random() < 0.5 else parties[:2]):
            self.y = top
            self._party(_LEFT + column * 60, self.words[label], party, size=9)
        self.y += 8

    def _meta(self) -> list[tuple[str, str]]:
        invoice, look, words = self.invoice, self.look, self.words
        meta = [(words["number"], invoice.number), (words["issued"], look.date(invoice.issued))]
        if words["due"]:
            meta.append((words["due"], look.date(invoice.due)))
        else:
            meta.append((words["terms"], words["net"].format(invoice.terms_days)))
        meta.insert(self.rng.randint(0, 3), (words["order"], invoice.order_number))
        return meta

    def _party(self, x: float, label: str, party: Party, size: int = 10) -> None:
        self._text(x, label, size=8)
        self.y += 5
        self._text(x, party.name, size=size, bold=True)
        for line in (party.street, party.city):
            self.y += 5
            self._text(x, line, size=size)
        self.y += 5

    def _table_head(self) -> None:
        x = float(_LEFT)
        for what, heading, width in self.look.columns:
            self._text(x, heading, size=9, bold=True, width=width, right=what not in ("description", "position"))
            x += width
        self.y += 6
        self._rule(_LEFT)

    def _row(self, position: int, line: Line) -> None:
        look = self.look
        cells: dict[Column, str] = {
            "position": str(position),
            "description": line.description,
            "quantity": look.quantity(line.quantity),
            "unit_price": look.number(line.unit_price),
            "tax_rate": str(self.invoice.tax_percent),
            "amount": look.amount(line.amount),
        }
        x = float(_LEFT)
        for what, _, width in look.columns:
            self._text(x, cells[what], size=9, width=width, right=what not in ("description", "position"))
            if what == "description" and line.detail:
                self.y += 4
                self._text(x, line.detail, size=7)
                self.y -= 4
            x += width
        self.y += self._row_height(line)

    def _row_height(self, line: Line) -> float:
        return self.look.row_height + (4 if line.detail else 0)

    def _total_row(self, label: str, amount: str, bold: bool = False) -> None:
        self._text(120, label + self.colon, bold=bold)
        self._text(155, amount, bold=bold, width=_RIGHT - 155, right=True)
        self.y += 6

    def _new_page(self) -> None:
        pdf = self.pdf
        pdf.add_page()
        self.y = 262.0
        bank = f"{self.invoice.seller.name} | IBAN DE02 1203 0000 0000 2020 51 | Tel. +49 30 901820"
        self._text(_LEFT, bank, size=7)
        self._text(165, self.words["page"].format(pdf.page, "{nb}"), size=7)
        self.y = 20.0

    # -- the pen ---------------------------------------------------------------------------------------------------

    def _text(
        self, x: float, text: str, *, size: int = 10, bold: bool = False, width: float = 0, right: bool = False
    ) -> None:
        pdf = self.pdf
        pdf.set_font(self.look.font, style="B" if bold else "", size=size)
        pdf.set_xy(x, self.y)
        pdf.cell(width or pdf.get_string_width(text) + 2, 5, text, align="R" if right else "L")

    def _rule(self, x: float) -> None:
        self.pdf.set_draw_color(*self.look.colour)
        self.pdf.line(x, self.y, _RIGHT, self.y)
        self.y += 1


_SMALL_PRINT = (
    "Terms and conditions",
    "Invoices are payable in full within the period stated overleaf. Interest of 1.5 % per month is charged after it.",
    "Total liability: limited to 5,000.00 USD per claim, or the amount due under this invoice if that is lower.",
    "Due date disputes must be raised in writing no later than December 31, 2025.",
    "From time to time rates are reviewed: the minimum charge is 250.00 USD a day.",
)
