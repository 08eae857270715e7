"""Amounts and dates are read as they are printed in several countries."""

from __future__ import annotations

from decimal import Decimal

import pytest

from statustrack.demo.values import Amount, Style, find_amounts, parse_amount, parse_date, style_of


@pytest.mark.parametrize(
    ("text", "mark", "value", "currency"),
    [
        ("$1,234.50", ".", "1234.50", "USD"),
        ("1.234,50 €", ",", "1234.50", "EUR"),
        ("CHF 1'234.50", ".", "1234.50", "CHF"),
        ("1 234 567,89 SEK", ",", "1234567.89", "SEK"),
        ("(12.00)", ".", "-12.00", None),
        ("-£12.00", ".", "-12.00", "GBP"),
        ("1,234", ".", "1234", None),
        ("1.234", ",", "1234", None),
        ("12,5", ".", "12.5", None),
    ],
)
def test_amounts(text: str, mark: str, value: str, currency: str | None) -> None:
    assert parse_amount(text, Style(decimal_mark=mark)) == Amount(Decimal(value), currency)


@pytest.mark.parametrize("text", ["", "12.03.2025", "about 5", "INV-2025-0001", "19 %", "+49 30 901820", "3 days"])
def test_what_is_no_amount(text: str) -> None:
    assert parse_amount(text, Style()) is None


def test_amounts_in_prose() -> None:
    prose = "Paid EUR 12.00 on 03.04.2025, see page 7 and v1.25.3; 5% of 1,000.00 remain."
    assert [str(amount.value) for amount in find_amounts(prose, Style())] == ["12.00", "1000.00"]


@pytest.mark.parametrize(
    ("text", "order", "want"),
    [
        ("2025-03-04", "mdy", "2025-03-04"),
        ("03/04/2025", "mdy", "2025-03-04"),
        ("03/04/2025", "dmy", "2025-04-03"),
        ("04.03.2025", "mdy", "2025-03-04"),
        ("4 March 2025", "dmy", "2025-03-04"),
        ("4th of nothing; March 4th, 2025", "dmy", "2025-03-04"),
        ("4. März 2025", "dmy", "2025-03-04"),
        ("31.02.2025", "dmy", None),
        ("Room 12, 2025", "dmy", None),
    ],
)
def test_dates(text: str, order: str, want: str | None) -> None:
    day = parse_date(text, Style(date_order=order))
    assert (day.isoformat() if day else None) == want


def test_the_style_of_a_document_is_settled_by_all_of_it() -> None:
    assert style_of("from 01/02/2025 to 01/31/2025: 12.50") == Style(".", "mdy")
    assert style_of("from 01/02/2025 to 31/02/2025: $ 12,50") == Style(",", "dmy")
    assert style_of("01/02/2025 $5.00") == Style(".", "mdy")
    assert style_of("28.03.2025 5,00") == Style(",", "dmy")
