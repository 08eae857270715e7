"""The same program on SQLite and on DynamoDB: only the place changes.

``python -m examples.move_to_dynamodb sqlite:///documents.db`` and ``... dynamodb://us-east-1``.
"""

import sys

import statustrack as st
from examples.steps import Extract


def main(url: str) -> None:
    with st.use_engine(url):
        Extract.create_table(wait=True)
        report = Extract.create_many((f"doc-{n}", {"path": f"{n}.pdf"}) for n in range(20))
        print(f"{report.created} created, {report.existing} were there")
        for ctx in Extract.claim_many():
            with ctx:
                ctx.set_data({**ctx.data, "text": f"the text of {ctx.data['path']}"})
        print(Extract.count_by_status())


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "sqlite:///documents.db")
