"""The six house styles of the invented invoices: the words, number formats and date formats of each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

Column = Literal["position", "description", "quantity", "unit_price", "tax_rate", "amount"]


@dataclass(frozen=True)
class Look:
    name: str
    country: str
    currency: str
    font: str
    colour: tuple[int, int, int]
    header: Literal["letterhead", "parties", "boxes"]
    money: str  # how amounts are printed: {} is the number
    marks: tuple[str, str]  # thousands mark, decimal mark
    dates: str
    words: dict[str, tuple[str, ...]]  # what -> the variants in use
    columns: tuple[tuple[Column, str, int], ...]  # what, heading, width in mm
    row_height: int = 6
    carries_forward: bool = False
    small_print: bool = False

    def number(self, value: Decimal) -> str:
        plain = f"{value:,.2f}"
        return plain.replace(",", "\0").replace(".", self.marks[1]).replace("\0", self.marks[0])

    def amount(self, value: Decimal) -> str:
        return self.money.format(self.number(value))

    def quantity(self, value: Decimal) -> str:
        return str(value).replace(".", self.marks[1])

    def date(self, day: date) -> str:
        # Not strftime: its month names follow the locale of the machine.
        month = _MONTHS[day.month - 1]
        return self.dates.format(d=day.day, m=day.month, y=day.year, month=month, mon=month[:3])


_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip

_ENGLISH: dict[str, tuple[str, ...]] = {
    "title": ("INVOICE", "Invoice", "TAX INVOICE"),
    "number": ("Invoice No.", "Invoice number", "Invoice #"),
    "issued": ("Invoice date", "Date of issue", "Date", "Issued"),
    "due": ("Due date", "Payment due", "Due by", "Pay by"),
    "order": ("Your order", "PO number", "Order No."),
    "terms": ("Payment terms", "Terms"),
    "net": ("Net {} days", "net {}", "{} days net"),
    "from": ("From", "Seller", "Supplier"),
    "to": ("Bill to", "Billed to", "Sold to", "Customer"),
    "ship": ("Ship to", "Deliver to"),
    "subtotal": ("Subtotal", "Net amount", "Total before tax"),
    "tax": ("VAT {} %", "VAT ({}%)"),
    "total": ("Total due", "Amount due", "Balance due", "Grand total", "Total"),
    "page": ("Page {} of {}",),
    "forward": ("Carried forward",),
    "back": ("Brought forward",),
}

_GERMAN: dict[str, tuple[str, ...]] = {
    "title": ("Rechnung", "RECHNUNG"),
    "number": ("Rechnungsnummer", "Rechnungs-Nr.", "Rechnung Nr."),
    "issued": ("Rechnungsdatum", "Datum"),
    "due": ("Fällig am", "Zahlbar bis", "Fälligkeitsdatum"),
    "order": ("Bestellnummer", "Ihre Bestellung"),
    "terms": ("Zahlungsbedingungen",),
    "net": ("{} Tage netto",),
    "from": ("Rechnungssteller", "Verkäufer"),
    "to": ("Rechnungsempfänger", "Kunde", "Rechnung an"),
    "ship": ("Lieferadresse",),
    "subtotal": ("Zwischensumme", "Nettobetrag", "Summe netto"),
    "tax": ("MwSt. {} %", "USt. ({}%)"),
    "total": ("Gesamtbetrag", "Rechnungsbetrag", "Zu zahlen"),
    "page": ("Seite {} von {}",),
    "forward": ("Übertrag",),
    "back": ("Übertrag",),
}

LOOKS: tuple[Look, ...] = (
    Look(
        "us-classic", "US", "USD", "Helvetica", (32, 74, 135), "letterhead", "${}", (",", "."), "{m:02d}/{d:02d}/{y}",
        {**_ENGLISH, "tax": ("Sales tax ({}%)", "Tax {}%")},
        (("description", "Description", 88), ("quantity", "Qty", 18), ("unit_price", "Unit price", 30),
         ("amount", "Amount", 34)),
    ),
    Look(
        "us-services", "US", "USD", "Times", (90, 30, 30), "parties", "{} USD", (",", "."), "{mon} {d}, {y}",
        {**_ENGLISH, "due": (), "tax": ("Sales tax ({}%)",)},  # the due date must be worked out from the terms
        (("description", "Service", 92), ("quantity", "Units", 18), ("unit_price", "Rate", 28),
         ("amount", "Line total", 32)),
        row_height=7, small_print=True,
    ),
    Look(
        "uk-modern", "UK", "GBP", "Helvetica", (20, 110, 100), "boxes", "£{}", (",", "."), "{d} {month} {y}",
        _ENGLISH,
        (("quantity", "Qty", 18), ("description", "Item", 88), ("unit_price", "Price", 30), ("amount", "Total", 34)),
        row_height=9,
    ),
    Look(
        "eu-ledger", "EU", "EUR", "Courier", (60, 60, 60), "parties", "EUR {}", (",", "."), "{y}-{m:02d}-{d:02d}",
        _ENGLISH,
        (("position", "#", 8), ("description", "Item", 80), ("quantity", "Qty", 16), ("unit_price", "Unit price", 32),
         ("amount", "Amount", 34)),
        row_height=14, carries_forward=True,
    ),
    Look(
        "de-brief", "DE", "EUR", "Helvetica", (0, 0, 0), "letterhead", "{} €", (".", ","), "{d:02d}.{m:02d}.{y}",
        _GERMAN,
        (("position", "Pos.", 12), ("description", "Bezeichnung", 82), ("quantity", "Menge", 16),
         ("unit_price", "Einzelpreis", 28), ("amount", "Betrag", 32)),
    ),
    Look(
        "ch-plain", "CH", "CHF", "Times", (150, 0, 0), "boxes", "CHF {}", ("'", "."), "{d:02d}.{m:02d}.{y}",
        _ENGLISH,
        (("description", "Description", 78), ("quantity", "Quantity", 18), ("unit_price", "Unit price", 28),
         ("tax_rate", "VAT %", 14), ("amount", "Amount", 32)),
        row_height=12, carries_forward=True,
    ),
)  # fmt: skip
