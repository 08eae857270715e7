"""Replies of DynamoDB with their items as they came, which botocore would take apart to make the same of them again.

An item is JSON of the very form that botocore hands out, ``{"name": {"S": "text"}}``. Looking at each of the ten types
that an attribute might have is most of what a large read costs on this side. One thing differs: binary values, which no
row of ours has, stay the base64 text that they came as (``items.to_whole_row`` makes bytes of them).
"""

from __future__ import annotations

from typing import Any

from botocore.parsers import ResponseParserFactory


class ItemsAsTheyCame(ResponseParserFactory):
    """Makes the parsers of a session of our own: other users of a session want bytes where there are bytes."""

    def create_parser(self, protocol_name: str) -> Any:
        parser: Any = super().create_parser(protocol_name)
        parse_map = parser._handle_map  # what botocore asks for by its name, for each value that is a map

        def handle_map(shape: Any, value: Any) -> Any:
            return value if shape.value.name == "AttributeValue" else parse_map(shape, value)

        parser._handle_map = handle_map
        return parser
