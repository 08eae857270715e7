"""Writes examples/seed.ipynb, and docs/guide/notebook.md that shows it, from the cells of the user's specification.

``python tools/seed_notebook.py`` writes both, ``--check`` tells whether the committed ones are current. The cells are
those of tests/seed/cells; one line differs, the first import. The notebook is stored without outputs.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CELLS = ROOT / "tests" / "seed" / "cells"
NOTEBOOK = ROOT / "examples" / "seed.ipynb"
PAGE = ROOT / "docs" / "guide" / "notebook.md"

SEED_IMPORT, OUR_IMPORT = "import pynamodb_mate.api as pm", "import statustrack.api as pm"

#: What is said before a cell: a heading, and a sentence or two.
SAID: dict[int, tuple[str, str]] = {
    1: ("Import", "The names of pynamodb_mate, from another package: the one line that differs from the original."),
    2: ("Say what your steps are", "Two steps over one task: what the first has succeeded with, the second waits for."),
    4: ("Declare the table", "`Meta` is pynamodb's. `STATUSTRACK_ENGINE`, where it is set, wins over its region."),
    7: ("Create a task", "It is pending, and nobody has it."),
    8: ("Run step 1", "The block is your work. With `debug=True` every transition is printed."),
    10: ("Run it again", "What is done is not done twice: the start is refused, and says why where it is asked to."),
    12: ("Step 2 fails", "Its exception goes on to you. What `set_data` got is dropped, unless `update()` stored it."),
    17: ("Step 2 again", "This time it succeeds, and the count of failures starts anew."),
    19: ("Two workers, one task", "The second is refused while the first is at it."),
    21: ("A task that cannot succeed", "After three failures in a row it is ignored: no endless retries."),
    29: ("Find tasks by their status", "Oldest first, over all shards."),
    32: ("One shard of the index", "Seldom needed: `query_by_status` reads all of them."),
}

TITLE = "The whole tour, as a notebook"

PREFACE = """\
The tutorial of the status tracker of pynamodb_mate, as its author wrote it, cell by cell: everything in it works here.
`examples/seed.ipynb` is the same to be run. This page and the notebook are made by `tools/seed_notebook.py`.

Without an account at AWS, say first where the tasks are to live, since the notebook's `Meta` names a region:

```python
import os

os.environ["STATUSTRACK_ENGINE"] = "sqlite:///notebook.db"
```

In a notebook a few things are other than in a script, and are taken care of:

* Interrupting the kernel in the middle of a `with` block gives the task back: it is no failure.
* A kernel that dies or is restarted in a block leaves a lease behind. The task is free when that runs out
  (`lock_expire_seconds`), and may be taken over.
* A cell may `await` at its top: `async with Step1.start(task_id) as exec_ctx:` works as it stands.
* A class defined anew by running its cell again is the same step: tables and use cases go by their names.
"""


def cells() -> list[tuple[int, str, bool]]:
    """Number, source, and whether it ends with an exception, of each cell."""
    errors = json.loads((CELLS / "errors.json").read_text(encoding="utf-8"))
    found = []
    for path in sorted(CELLS.glob("cell_*.py")):
        number = int(path.stem.removeprefix("cell_"))
        source = path.read_text(encoding="utf-8").rstrip("\n")
        if number == 1:
            source = source.replace(SEED_IMPORT, OUR_IMPORT)
        found.append((number, source, str(number) in errors))
    return found


def notebook() -> str:
    """The text of the notebook."""
    made: list[dict[str, Any]] = [_text("title", f"# {TITLE}")]
    for number, source, raises in cells():
        if number in SAID:
            heading, text = SAID[number]
            made.append(_text(f"said-{number:02d}", f"## {heading}\n\n{text}"))
        made.append(
            {
                "cell_type": "code",
                "execution_count": None,
                "id": f"cell-{number:02d}",
                "metadata": {"tags": ["raises-exception"]} if raises else {},
                "outputs": [],
                "source": source.splitlines(keepends=True),
            }
        )
    metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    whole = {"cells": made, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def _text(name: str, text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": text.splitlines(keepends=True)}


def page() -> str:
    """The text of the page that shows it."""
    lines = [f"# {TITLE}", "", PREFACE]
    for number, source, raises in cells():
        if number in SAID:
            heading, text = SAID[number]
            lines += [f"## {heading}", "", text, ""]
        lines += ["<!-- raises -->"] if raises else []
        lines += ["```python", source, "```", ""]
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Write or check both; 1 if one is not current."""
    stale = []
    for path, text in ((NOTEBOOK, notebook()), (PAGE, page())):
        if "--check" not in arguments:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(path.relative_to(ROOT).as_posix())
    if stale:
        print(f"{' and '.join(stale)} not current: run `python tools/seed_notebook.py`")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
