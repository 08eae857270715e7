"""The house stands as CONTRIBUTING describes it: layers, names, first sentences, a light bare import."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SPEC = find_spec("statustrack")
assert SPEC and SPEC.origin
PACKAGE = Path(SPEC.origin).parent  # the installed one: the matrix runs these tests against the built wheel
MODULES = sorted(PACKAGE.rglob("*.py"))

# Values in, values out: nothing here reads a clock, a file, the environment, or chance.
ALLOWED_IN_CORE = {
    "__future__",
    "abc",
    "base64",
    "bisect",
    "collections",
    "contextlib",
    "copy",
    "dataclasses",
    "datetime",
    "decimal",
    "enum",
    "functools",
    "hashlib",
    "heapq",
    "inspect",
    "itertools",
    "json",
    "keyword",
    "math",
    "numbers",
    "operator",
    "re",
    "reprlib",
    "string",
    "struct",
    "textwrap",
    "traceback",
    "types",
    "typing",
    "unicodedata",
    "zlib",
}

# What a bare import must not bring: outside libraries, and the heavy or specific parts of the standard library.
HEAVY = {
    "asyncio",
    "boto3",
    "botocore",
    "click",
    "concurrent",
    "email",
    "hashlib",
    "http",
    "multiprocessing",
    "rich",
    "socket",
    "sqlite3",
    "ssl",
    "unittest",
    "urllib",
    "urllib3",
    "uuid",
}

DRAWERS = {"utils", "util", "common", "helpers", "helper", "impl", "misc"}


def name_of(module: Path) -> str:
    return module.relative_to(PACKAGE).as_posix()


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)


def test_the_layers_are_kept() -> None:
    ran = python("import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))")
    assert ran.returncode == 0, ran.stdout + ran.stderr


def loaded_by(code: str) -> set[str]:
    ran = python(
        f"import sys, json; before = set(sys.modules); {code}; print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    assert ran.returncode == 0, ran.stderr
    return set(json.loads(ran.stdout))


def test_a_bare_import_loads_nothing_of_the_package_but_its_names() -> None:
    loaded = loaded_by("import statustrack; statustrack.__version__; dir(statustrack)")
    assert {name for name in loaded if name.startswith("statustrack")} == {"statustrack"}
    assert {name.partition(".")[0] for name in loaded} & HEAVY == set()


def test_what_a_script_needs_before_its_first_task_is_light() -> None:
    loaded = loaded_by(
        "import statustrack as st; "
        "[getattr(st, name) for name in st.__all__ if name not in ('Pipeline', 'Report', 'Worker')]"
    )
    assert "statustrack.tracking.task" in loaded
    assert {name.partition(".")[0] for name in loaded} & HEAVY == set()
    assert not {name for name in loaded if name.startswith("statustrack.worker")}


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_a_module_opens_with_one_sentence(module: Path) -> None:
    text = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8")))
    assert text, f"{name_of(module)} says nothing about what lives there"
    opening = " ".join(text.split("\n\n")[0].split())
    assert opening.endswith("."), f"{name_of(module)}: {opening!r} is no sentence: it has no full stop"
    assert not re.search(r"[.!?] [A-Z]", opening), f"{name_of(module)}: {opening!r} is more than one sentence"


@pytest.mark.parametrize("module", [m for m in MODULES if name_of(m).startswith("core/")], ids=name_of)
def test_core_imports_only_what_is_pure(module: Path) -> None:
    imported = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            imported.add(node.module or "")
    outside = {name.partition(".")[0] for name in imported if not name.startswith("statustrack.core")}
    assert outside <= ALLOWED_IN_CORE


def test_a_name_says_what_is_inside() -> None:
    names = {part for module in MODULES for part in module.relative_to(PACKAGE).with_suffix("").parts}
    assert names & DRAWERS == set()


def test_the_types_are_for_users_too() -> None:
    assert (PACKAGE / "py.typed").is_file()
