"""The words that invoices print beside the values we look for, in English and German; a language is some words more."""

from __future__ import annotations

import re

from .values import CODES

#: What is looked for -> its labels, the most telling one first.
LABELS: dict[str, tuple[str, ...]] = {
    "seller": (
        "seller", "sold by", "supplier", "vendor", "issued by", "from", "payable to", "remit to", "rechnungssteller",
        "verkäufer", "lieferant",
    ),
    "buyer": (
        "bill to", "billed to", "invoice to", "invoiced to", "sold to", "buyer", "customer", "client",
        "rechnungsempfänger", "rechnung an", "kunde",
    ),
    "invoice_number": (
        "invoice number", "invoice no", "invoice nr", "invoice id", "invoice ref", "inv no", "invoice",
        "rechnungsnummer", "rechnungs-nr", "rechnung nr", "rechnung", "bill number", "bill no",
    ),
    "issue_date": (
        "invoice date", "date of issue", "issue date", "date issued", "issued on", "issued", "bill date", "date",
        "rechnungsdatum", "datum",
    ),
    "due_date": (
        "due date", "date due", "payment due", "payment due date", "due by", "due on", "due", "pay by", "payable by",
        "fällig am", "fälligkeitsdatum", "fälligkeit", "zahlbar bis",
    ),
    "terms": ("payment terms", "terms", "terms of payment", "zahlungsbedingungen", "zahlungsziel"),
    "currency": ("currency", "währung"),
    "subtotal": (
        "subtotal", "sub-total", "sub total", "net amount", "net total", "total before tax", "total excl vat",
        "total net", "zwischensumme", "nettobetrag", "summe netto", "gesamt netto",
    ),
    "tax": (
        "tax", "vat", "sales tax", "total tax", "total vat", "gst", "mwst", "ust", "umsatzsteuer", "mehrwertsteuer",
    ),
    "total": (
        "total due", "amount due", "balance due", "total amount due", "grand total", "total payable", "amount payable",
        "invoice total", "total incl vat", "total amount", "total", "zu zahlen", "zahlbetrag", "rechnungsbetrag",
        "gesamtbetrag", "gesamtsumme", "bruttobetrag", "gesamt",
    ),
    "carried": ("carried forward", "brought forward", "übertrag"),
    "order_number": (
        "order number", "order no", "po number", "po no", "purchase order", "your order", "bestellnummer",
        "ihre bestellung",
    ),
    "ship_to": ("ship to", "deliver to", "shipped to", "lieferadresse", "delivery address"),
}  # fmt: skip

#: Labels that are also the title of the page; what stands under a title is not its value.
TITLES = ("invoice", "rechnung")

#: The headings of a table of items -> the column's meaning.
HEADINGS: dict[str, str] = {
    heading: meaning
    for meaning, headings in {
        "position": ("#", "pos", "no", "nr", "line"),
        "code": ("sku", "code", "item code", "art-nr", "artikelnummer", "part no"),
        "description": (
            "description", "item", "items", "item description", "service", "product", "details", "bezeichnung",
            "beschreibung", "leistung", "artikel",
        ),
        "quantity": ("qty", "quantity", "units", "hours", "hrs", "menge", "anzahl", "stunden"),
        "unit_price": ("unit price", "price", "rate", "unit cost", "price per unit", "einzelpreis", "preis", "e-preis"),
        "tax": ("vat", "tax", "tax rate", "vat rate", "mwst", "ust"),
        "amount": (
            "amount", "total", "line total", "net amount", "total price", "betrag", "gesamtpreis", "gesamt", "g-preis",
        ),
    }.items()
    for heading in headings
}  # fmt: skip

_FIELDS = {label: field for field, labels in LABELS.items() for label in labels}
_NOISE = re.compile(
    rf"\([^)]*\)|\d+(?:[.,]\d+)?\s*%|%|(?<=[a-zäöü])[.:#]+|\b(?:in )?(?:{'|'.join(CODES)})\b|[€$£¥]|№", re.IGNORECASE
)


def plain(label: str) -> str:
    """A label without what varies: `VAT (20%):` and `Total EUR` become `vat` and `total`."""
    if label.strip() == "#":
        return "#"
    return " ".join(_NOISE.sub(" ", label.casefold()).split()).strip(" .:#-")


def field_of(label: str) -> str | None:
    """Which of the values we look for this label announces, if any."""
    return _FIELDS.get(plain(label)) if len(label) <= 60 else None
