"""The invented invoices as data: who bills whom for what; the truth that the demo's answers are checked against."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from random import Random
from typing import Any

#: The day of the demo: every question that depends on a date ("is it overdue?") is asked on this day.
AS_OF = date(2025, 6, 30)

CENT = Decimal("0.01")


@dataclass(frozen=True)
class Party:
    name: str
    street: str
    city: str


@dataclass(frozen=True)
class Line:
    description: str
    detail: str
    quantity: Decimal
    unit_price: Decimal
    amount: Decimal


@dataclass(frozen=True)
class Invoice:
    number: str
    order_number: str
    seller: Party
    buyer: Party
    issued: date
    terms_days: int
    currency: str
    lines: tuple[Line, ...]
    tax_percent: Decimal
    subtotal: Decimal
    tax: Decimal
    total: Decimal

    @property
    def due(self) -> date:
        return self.issued + timedelta(days=self.terms_days)

    def truth(self) -> dict[str, Any]:
        """What a careful reader finds in the document, as JSON: amounts are decimal strings, dates are ISO."""
        return {
            "seller": self.seller.name,
            "buyer": self.buyer.name,
            "invoice_number": self.number,
            "issue_date": self.issued.isoformat(),
            "due_date": self.due.isoformat(),
            "currency": self.currency,
            "lines": [
                {
                    "description": line.description,
                    "quantity": str(line.quantity),
                    "unit_price": str(line.unit_price),
                    "amount": str(line.amount),
                }
                for line in self.lines
            ],
            "subtotal": str(self.subtotal),
            "tax": str(self.tax),
            "total": str(self.total),
        }


_SELLERS: dict[str, tuple[Party, ...]] = {
    "US": (
        Party("Northwind Supply Co.", "4100 Harbor Avenue", "Portland, OR 97201"),
        Party("Blue Mesa Analytics, Inc.", "77 Canyon Road, Suite 300", "Santa Fe, NM 87501"),
        Party("Carver & Dunn LLP", "1 Liberty Plaza", "New York, NY 10006"),
    ),
    "UK": (
        Party("Thistle & Crown Ltd", "12 Royal Mile", "Edinburgh EH1 1SG"),
        Party("Pennine Logistics plc", "Unit 9, Canal Works", "Leeds LS1 4AP"),
        Party("Harrow Studio Ltd", "31 Brick Lane", "London E1 6PU"),
    ),
    "EU": (
        Party("Atelier Lumière SARL", "18 rue des Lilas", "69003 Lyon"),
        Party("Van der Berg Techniek B.V.", "Keizersgracht 210", "1016 DX Amsterdam"),
        Party("Nordlys Media ApS", "Vesterbrogade 44", "1620 København"),
    ),
    "DE": (
        Party("Müller & Söhne GmbH", "Lindenstraße 8", "10969 Berlin"),
        Party("Bäckerei-Technik Köhler KG", "Am Güterbahnhof 3", "70191 Stuttgart"),
        Party("Hanse Datenwerk AG", "Große Elbstraße 145", "22767 Hamburg"),
    ),
    "CH": (
        Party("Alpenblick Engineering AG", "Bahnhofstrasse 21", "8001 Zürich"),
        Party("Lac Léman Conseil SA", "Rue du Rhône 65", "1204 Genève"),
    ),
}

_BUYERS = (
    Party("Acme Manufacturing Group", "500 Industrial Way", "Dayton, OH 45402"),
    Party("Globex International", "9 Station Square", "Rotterdam 3013"),
    Party("Café Zürich Betriebs AG", "Seestrasse 10", "8002 Zürich"),
    Party("St. Brendan's Hospital Trust", "Mercy Street 4", "Cork T12 XY00"),
    Party("Ostsee Werft GmbH & Co. KG", "Hafenallee 1", "18055 Rostock"),
    Party("Universidad de Peñarol", "Avenida Italia 3318", "11600 Montevideo"),
    Party("J. R. Whitfield & Partners", "22 Chancery Lane", "London WC2A 1LS"),
    Party("Total Comfort Heating", "81 Furnace Street", "Akron, OH 44304"),  # a name that begins like a label
    Party("Société Générale des Eaux", "4 quai de Seine", "75019 Paris"),
    Party("Kingfisher Robotics", "7 Innovation Drive", "Cambridge CB4 0WS"),
)

# description, lowest and highest unit price, highest quantity
_CATALOGUE = (
    ("On-site consulting", 95, 240, 60),
    ("Software licence, annual", 120, 2400, 12),
    ("Laptop 14-inch, refurbished", 480, 1350, 10),
    ("USB-C docking station", 89, 210, 25),
    ("Network cabling, per metre", 2, 9, 800),
    ("Cloud storage, 500 GB plan", 12, 60, 24),
    ("Translation DE-EN, per page", 18, 45, 120),
    ("Freight and handling", 35, 420, 2),
    ("Safety inspection 2025", 250, 900, 3),
    ("Steel brackets M8 x 40", 1, 4, 1500),
    ("Oak table top 180 x 90 cm", 220, 640, 8),
    ("Photography, half day", 350, 900, 4),
    ("Server maintenance (24/7)", 180, 760, 12),
    ("Training workshop, 2 days", 900, 2800, 3),
    ("Replacement filter type B-12", 7, 28, 60),
    ("Legal review of contract", 210, 480, 30),
    ("Office chair, ergonomic", 160, 520, 20),
    ("Data migration, fixed price", 1500, 9000, 1),
    ("Printer toner, black", 40, 110, 15),
    ("Catering for 35 guests", 600, 1900, 2),
)

_DETAILS = ("", "", "", "Period: May 2025", "Ref. 4711-B, delivered 02/2025", "as agreed by phone", "Total 12.50 kg")

_TAXES: dict[str, tuple[str, ...]] = {
    "US": ("0", "6.5", "8.25"),
    "UK": ("20", "5", "0"),
    "EU": ("20", "21", "25"),
    "DE": ("19", "7"),
    "CH": ("8.1", "2.6"),
}


def invent(rng: Random, index: int, country: str, currency: str) -> Invoice:
    """Make up invoice number `index`; about one in sixteen has a sum that its own lines do not support."""
    lines = _invent_lines(rng)
    tax_percent = Decimal(rng.choice(_TAXES[country]))
    subtotal = sum((line.amount for line in lines), Decimal("0.00"))
    mistake = rng.random()
    if mistake < 0.03:  # the seller added one line that is not on the invoice: subtotal, tax and total are all wrong
        subtotal += Decimal(rng.randint(2_500, 90_000)) / 100
    tax = _cents(subtotal * tax_percent / 100)
    total = subtotal + tax
    if 0.03 <= mistake < 0.06:  # a typing error in the last box only
        total += Decimal(rng.choice((90, 900, 2_700))) / 100
    return Invoice(
        number=_number(rng, index),
        order_number=f"PO-{rng.randint(10_000, 99_999)}",
        seller=rng.choice(_SELLERS[country]),
        buyer=rng.choice(_BUYERS),
        issued=AS_OF - timedelta(days=rng.randint(1, 100)),
        terms_days=rng.choice((10, 14, 30, 45, 60)),
        currency=currency,
        lines=lines,
        tax_percent=tax_percent,
        subtotal=subtotal,
        tax=tax,
        total=total,
    )


def _invent_lines(rng: Random) -> tuple[Line, ...]:
    lines: list[Line] = []
    for description, low, high, most in rng.sample(_CATALOGUE, rng.randint(1, 12)):
        # The power makes small orders common and large ones rare, as in life: about a third needs an approval.
        quantity = Decimal(1 + int((most - 1) * rng.random() ** 4))
        if description == "On-site consulting" and rng.random() < 0.5:
            quantity += Decimal("0.5")
        unit_price = Decimal(rng.randint(low * 100, high * 100)) / 100
        amount = _cents(quantity * unit_price)
        lines.append(Line(description, rng.choice(_DETAILS), quantity, _cents(unit_price), amount))
    if len(lines) > 3 and rng.random() < 0.2:
        rebate = -_cents(max(line.amount for line in lines) / 10)
        lines.append(Line("Loyalty discount", "", Decimal(1), rebate, rebate))
    return tuple(lines[-12:])


def _number(rng: Random, index: int) -> str:
    form = rng.choice(("INV-2025-{:04d}", "{:06d}", "R2025/{:05d}", "2025-{:04d}-A"))
    return form.format(index + 1000)


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, rounding=ROUND_HALF_UP)
