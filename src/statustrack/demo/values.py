"""Reads amounts, currencies and dates as people print them, in the number and date formats of several countries."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

_SYMBOLS = {
    "US$": "USD", "CA$": "CAD", "C$": "CAD", "AU$": "AUD", "A$": "AUD", "$": "USD",
    "€": "EUR", "£": "GBP", "¥": "JPY", "₹": "INR", "SFr.": "CHF", "Fr.": "CHF", "zł": "PLN",
}  # fmt: skip
CODES = (
    "USD", "EUR", "GBP", "CHF", "CAD", "AUD", "NZD", "JPY", "CNY", "INR", "SEK", "NOK", "DKK", "PLN", "CZK", "SGD",
)  # fmt: skip
_CURRENCY = "(?:" + "|".join(re.escape(word) for word in (*_SYMBOLS, *CODES)) + ")"

# Marks between thousands: comma, dot, apostrophes (Switzerland), spaces that do not break (France, Sweden).
_NUMBER = r"(?:\d{1,3}(?:[,.'\u2019\u00a0\u202f]\d{3})+(?:[.,]\d{1,2})?|\d{1,15}(?:[.,]\d{1,4})?)"
_AMOUNT = re.compile(
    rf"(?<![\w.,/#-])(?P<open>\()?(?P<sign1>[-\u2212])?\s?(?P<before>{_CURRENCY})?\s?(?P<sign2>[-\u2212])?(?P<number>{_NUMBER})"
    rf"(?:\s?(?P<after>{_CURRENCY}))?(?P<close>\))?(?![\w%]|[.,/:-]\w|\s?%)"
)
_CENTS = re.compile(r"(?<![\d.,/-])(?:\d{1,3}(?:[.,' ]\d{3})+|\d+)([.,])\d\d(?![.,/-]?\d)")

_MONTHS = {
    name: number
    for number, names in enumerate(
        ("january", "february", "march märz", "april", "may mai", "june juni", "july juli", "august", "september sept",
         "october oktober", "november", "december dezember"), start=1,
    )
    for full in names.split()
    for name in (full, full[:3])
} | {"januar": 1, "februar": 2}  # fmt: skip
_DATE = re.compile(
    r"(?<![\w.,/-])(?:"
    r"(?P<year1>\d{4})[-/.](?P<month1>\d{1,2})[-/.](?P<day1>\d{1,2})"
    r"|(?P<first>\d{1,2})(?P<mark>[-/.])(?P<second>\d{1,2})(?P=mark)(?P<year2>\d{4}|\d{2})"
    r"|(?P<day3>\d{1,2})(?:st|nd|rd|th|\.)?[ -](?P<month3>[A-Za-zä]{3,9})\.?,?[ -](?P<year3>\d{4})"
    r"|(?P<month4>[A-Za-zä]{3,9})\.? (?P<day4>\d{1,2})(?:st|nd|rd|th)?,? (?P<year4>\d{4})"
    r")(?![\w/]|[.-]\d)"
)


@dataclass(frozen=True)
class Amount:
    value: Decimal
    currency: str | None


@dataclass(frozen=True)
class Style:
    """How one document prints its numbers and dates; both are settled by looking at the whole document."""

    decimal_mark: str = "."
    date_order: str = "dmy"


def style_of(text: str) -> Style:
    """Which mark precedes the cents, and whether 03/04/2025 is in March (mdy) or in April (dmy)."""
    marks = _CENTS.findall(text)
    decimal_mark = "," if marks.count(",") > marks.count(".") else "."
    slashed = [match for match in _DATE.finditer(text) if match["mark"] in ("/", "-")]
    if any(int(match["first"]) > 12 for match in slashed):
        return Style(decimal_mark, "dmy")
    if any(int(match["second"]) > 12 for match in slashed):
        return Style(decimal_mark, "mdy")
    # All of its dates can be read both ways: a document in US dollars is taken for American.
    return Style(decimal_mark, "mdy" if re.search(r"(?<![A-Z])\$|USD", text) else "dmy")


def find_amounts(text: str, style: Style) -> Iterator[Amount]:
    """The sums of money in a text: numbers with a currency, or with cents."""
    for match in _AMOUNT.finditer(_DATE.sub(" ", text)):
        amount = _amount(match, style)
        if amount.currency or _CENTS.fullmatch(match["number"]):
            yield amount


def parse_amount(text: str, style: Style) -> Amount | None:
    """The amount that the whole of `text` is, or None."""
    text = text.strip()
    spaced = re.sub(r"(?<=\d) (?=\d{3}(?:\D|$))", "", text)  # 1 234,56 in a cell of its own
    match = _AMOUNT.fullmatch(spaced)
    return _amount(match, style) if match else None


def find_currency(text: str) -> str | None:
    match = re.search(rf"(?<![A-Za-z]){_CURRENCY}(?![A-Za-z])", text)
    return _SYMBOLS.get(match[0], match[0]) if match else None


def find_dates(text: str, style: Style) -> Iterator[date]:
    for match in _DATE.finditer(text):
        day = _date(match, style)
        if day is not None:
            yield day


def parse_date(text: str, style: Style) -> date | None:
    """The first date in `text`, or None."""
    return next(find_dates(text, style), None)


def _amount(match: re.Match[str], style: Style) -> Amount:
    digits = re.sub(r"['\u2019\u00a0\u202f]", "", match["number"])
    marks = [character for character in digits if character in ".,"]
    if marks:
        last = marks[-1]
        after = len(digits) - digits.rindex(last) - 1
        # 1,234 is a thousand, 12,50 is not; 1.234 depends on what the rest of the document does.
        whole = len(set(marks)) == 1 and (len(marks) > 1 or (after == 3 and last != style.decimal_mark))
        cents = "" if whole else digits[-after:]
        digits = re.sub(r"[.,]", "", digits if whole else digits[: -after - 1])
        digits = f"{digits}.{cents}" if cents else digits
    value = Decimal(digits)
    negative = match["sign1"] or match["sign2"] or (match["open"] and match["close"])
    currency = match["before"] or match["after"]
    return Amount(-value if negative else value, _SYMBOLS.get(currency, currency) if currency else None)


def _date(match: re.Match[str], style: Style) -> date | None:
    if match["first"]:
        first, second = int(match["first"]), int(match["second"])
        american = style.date_order == "mdy" and match["mark"] != "."
        month, day = (first, second) if american else (second, first)
        year = int(match["year2"]) + (2000 if len(match["year2"]) == 2 else 0)
    elif match["year1"]:
        year, month, day = int(match["year1"]), int(match["month1"]), int(match["day1"])
    else:
        month = _MONTHS.get((match["month3"] or match["month4"]).casefold(), 0)
        day, year = int(match["day3"] or match["day4"]), int(match["year3"] or match["year4"])
    try:
        return date(year, month, day)
    except ValueError:  # 31.02., month 13, or a word that is no month
        return None
