"""Step 2 of the demo: answers business questions from what step 1 extracted, and checks answers against the truth."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from .labels import LABELS, field_of, plain
from .values import Amount, Style, find_currency, parse_amount, parse_date

APPROVAL_LIMIT = Decimal(10_000)
_TOLERANCE = Decimal("0.01")  # one rounding

#: The keys of an answer, and the questions that they answer.
QUESTIONS = {
    "seller": "Who is the seller?",
    "buyer": "Who has to pay?",
    "invoice_number": "What is the number of the invoice?",
    "issue_date": "When was it issued?",
    "total_due": "What is the total due?",
    "currency": "In which currency?",
    "due_date": "When is it due?",
    "overdue": "Is it overdue?",
    "lines_total": "What do the line items add up to, without tax?",
    "lines_match_total": "Do the line items, with tax, add up to the total?",
    "largest_line": "Which line item is the largest?",
    "needs_approval": f"Does it need an approval (above {APPROVAL_LIMIT:,})?",
}


def answer(extracted: dict[str, Any], on: date) -> dict[str, Any]:
    """Answer every one of QUESTIONS as of the day `on`.

    This is where a call of a large language model would go: the same extracted data in, the same JSON out. A plain
    function does here what can be done without one, so that the demo runs offline, costs nothing, and gives the same
    answers every time.

    A question that the document does not answer gets None, and a line in `notes`. Amounts are decimal strings.
    """
    document = _Document(extracted)
    notes: list[str] = []
    total = document.amount("total")
    due = document.date("due_date")
    issued = document.date("issue_date")
    if due is None and issued is not None:
        due = _due_by_terms(document, issued)
        if due is not None:
            notes.append("due date: worked out from the payment terms")
    items = [(str(item["description"]), Decimal(item["amount"])) for item in extracted.get("line_items", [])]
    lines_total = sum((amount for _, amount in items), Decimal(0)) if items else None
    largest = max(items, key=lambda item: item[1]) if items else None
    number = document.number()
    invoice = total is not None or number is not None  # else "from" and "client" are but words of a letter or a manual
    if not invoice:
        notes.append("this does not look like an invoice")
    answers: dict[str, Any] = {
        "seller": (document.name("seller") or document.letterhead()) if invoice else None,
        "buyer": document.name("buyer") if invoice else None,
        "invoice_number": number,
        "issue_date": _iso(issued),
        "total_due": _money(total.value if total else None),
        "currency": document.currency(total),
        "due_date": _iso(due),
        "overdue": due < on if due else None,
        "lines_total": _money(lines_total),
        "lines_match_total": _adds_up(document, lines_total, total),
        "largest_line": {"description": largest[0], "amount": _money(largest[1])} if largest else None,
        "needs_approval": total.value > APPROVAL_LIMIT if total else None,
    }
    notes += [f"{key.replace('_', ' ')}: not found" for key in QUESTIONS if answers[key] is None]
    return {**answers, "as_of": on.isoformat(), "notes": notes}


def check(answers: dict[str, Any], truth: dict[str, Any]) -> list[str]:
    """Where the answers differ from the truth that `invoices.generate` wrote down; empty when all are right."""
    as_of = date.fromisoformat(answers["as_of"])
    amounts = [(str(line["description"]), Decimal(line["amount"])) for line in truth["lines"]]
    lines_total = sum((amount for _, amount in amounts), Decimal(0))
    largest = max(amounts, key=lambda line: line[1])
    total = Decimal(truth["total"])
    expected = {
        **{key: truth[key] for key in ("seller", "buyer", "invoice_number", "issue_date", "currency", "due_date")},
        "total_due": truth["total"],
        "overdue": date.fromisoformat(truth["due_date"]) < as_of,
        "lines_total": str(lines_total),
        "lines_match_total": lines_total + Decimal(truth["tax"]) == total,
        "largest_line": {"description": largest[0], "amount": str(largest[1])},
        "needs_approval": total > APPROVAL_LIMIT,
    }
    return [
        f"{key.replace('_', ' ')}: the answer is {answers.get(key)!r}, the truth is {want!r}"
        for key, want in expected.items()
        if answers.get(key) != want
    ]


class _Document:
    """The extracted data, asked by meaning instead of by printed label."""

    def __init__(self, extracted: dict[str, Any]) -> None:
        self.extracted = extracted
        self.pairs: dict[str, str] = extracted.get("key_values", {})
        self.text: str = extracted.get("text", "")
        self.style = Style(extracted.get("decimal_mark", "."), extracted.get("date_order", "dmy"))

    def values(self, field: str) -> Iterator[tuple[str, str]]:
        """The pairs that a label of this field announces, the most telling label first."""
        found = [(key, value) for key, value in self.pairs.items() if field_of(key) == field]
        return iter(sorted(found, key=lambda pair: LABELS[field].index(plain(pair[0]))))

    def name(self, field: str) -> str | None:
        return next((value for _, value in self.values(field) if re.search(r"[^\W\d_]{2}", value)), None)

    def number(self) -> str | None:
        for _, value in self.values("invoice_number"):
            match = re.match(r"#?\s?((?=\S*\d)[\w./-]+)", value)
            if match:
                return match[1]
        return None

    def date(self, field: str) -> date | None:
        return next((day for day in (parse_date(value, self.style) for _, value in self.values(field)) if day), None)

    def amount(self, field: str) -> Amount | None:
        for key, value in self.values(field):
            amount = parse_amount(value, self.style)
            if amount is not None:
                return amount if amount.currency else Amount(amount.value, find_currency(key))
        return None

    def currency(self, total: Amount | None) -> str | None:
        if total is not None and total.currency:
            return total.currency
        named = next((code for code in (find_currency(value) for _, value in self.values("currency")) if code), None)
        seen = Counter(amount["currency"] for amount in self.extracted.get("amounts", []) if amount["currency"])
        return named or (seen.most_common(1)[0][0] if seen else None)

    def letterhead(self) -> str | None:
        """The name at the top of the page, if the document calls itself an invoice: there the sender's name stands."""
        if not re.search(r"\b(?:invoice|rechnung)", self.text, re.IGNORECASE):
            return None
        for line in self.text.splitlines()[:3]:
            first = line.split("  ")[0].strip()
            title = field_of(first) is not None or re.match(r"(?i)(tax )?invoice|rechnung", first)
            if re.search(r"[^\W\d_]{2}", first) and not title:
                return first if ":" not in first and len(first) <= 80 else None
        return None


def _due_by_terms(document: _Document, issued: date) -> date | None:
    for _, value in document.values("terms"):
        match = re.search(r"\b(\d{1,3})\s?(?:days|tage|d)\b|\bnet (\d{1,3})\b", value, re.IGNORECASE)
        if match:
            return issued + timedelta(days=int(match[1] or match[2]))
    return None


def _adds_up(document: _Document, lines_total: Decimal | None, total: Amount | None) -> bool | None:
    if lines_total is None or total is None:
        return None
    tax = document.amount("tax")
    with_tax = lines_total + (tax.value if tax else 0)
    # Where prices include the tax, the lines alone make the total.
    return abs(with_tax - total.value) <= _TOLERANCE or abs(lines_total - total.value) <= _TOLERANCE


def _money(value: Decimal | None) -> str | None:
    return None if value is None else f"{value:.2f}"


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
