"""What the tests of the demo share: the 200 invoices, what is read from them, and PDFs made on the spot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fpdf import FPDF

from statustrack.demo.extract import extract
from statustrack.demo.invoices import Documents, generate

MakePdf = Callable[..., Path]


@pytest.fixture(scope="session")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Documents:
    return generate(tmp_path_factory.mktemp("invoices"))


@pytest.fixture(scope="session")
def extracted(documents: Documents) -> dict[str, dict[str, Any]]:
    return {name: extract(documents.folder / name) for name in documents.truth}


@pytest.fixture
def make_pdf(tmp_path: Path) -> MakePdf:
    def make(*pages: str, name: str = "document.pdf") -> Path:
        pdf = FPDF()
        for page in pages:
            pdf.add_page()
            pdf.set_font("Helvetica", size=10)
            pdf.multi_cell(0, 5, page)
        path = tmp_path / name
        path.write_bytes(bytes(pdf.output()))
        return path

    return make
