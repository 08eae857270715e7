"""One worker process of the proofs: ``python -m tests.worker.member [OPTIONS]`` works until everything has ended."""

from __future__ import annotations

import json
import logging
import sys

import statustrack as st

REPORT = "report "


def main() -> None:
    """Work, and print the report."""
    from tests.worker.jobs import First, Second

    options = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    report = st.Worker(First, Second, **options).run(until_idle=True)
    print(REPORT + json.dumps(vars(report)), flush=True)


if __name__ == "__main__":
    main()
