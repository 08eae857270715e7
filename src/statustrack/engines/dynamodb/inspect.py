"""What there is to say of a table of DynamoDB: keys, index, billing, retention, backup, protection."""

from __future__ import annotations

from typing import Any

from statustrack.core.errors import StorageError
from statustrack.core.record import INDEX_ATTRIBUTES
from statustrack.engines.dynamodb import table as tables
from statustrack.engines.dynamodb.connection import Connection
from statustrack.engines.dynamodb.errors import DENIED, code_of, is_refused_verb, missing_table
from statustrack.engines.protocol import Finding


def _aws(connection: Connection, command: str, table: str, options: str) -> str:
    region = f" --region {connection.region}" if connection.region else ""
    profile = f" --profile {connection.profile}" if connection.profile else ""
    return f"aws dynamodb {command} --table-name {table} {options}{region}{profile}"


def findings(connection: Connection, table: str) -> list[Finding]:
    """The findings of one table. Raises ``TableNotFoundError`` where it is not there."""
    try:
        description = tables.describe(connection, table)
    except StorageError as error:
        if not _is_denied(error):
            raise
        # A role that may only work with tasks: what else can be asked is asked, and the table is read all the same.
        closed = [_closed(topic, "DescribeTable") for topic in ("keys", "index", "billing")]
        return [*closed, _retention(connection, table), _backup(connection, table)]
    if description is None:
        raise missing_table(table, connection.place)
    wrong = tables.mismatch(description)
    found = [
        Finding("keys", "bad", wrong, "use another table name, or let `statustrack init` make the table")
        if wrong
        else Finding("keys", "good", "hash key `key` (S), no range key")
    ]
    found += [
        _index(description, table),
        _billing(description),
        _retention(connection, table),
        _backup(connection, table),
        _protection(connection, description, table),
        _size(description),
    ]
    return found


def _index(description: dict[str, Any], table: str) -> Finding:
    indexes = {index["IndexName"]: index for index in description.get("GlobalSecondaryIndexes") or ()}
    index = indexes.get(tables.INDEX)
    if index is None:
        return Finding("index", "bad", f"there is no index {tables.INDEX}", "let `statustrack init` make a new table")
    status = index.get("IndexStatus", "ACTIVE")
    if status != "ACTIVE":
        return Finding("index", "warning", f"{tables.INDEX} is {status.lower()}: listings miss tasks", "wait for it")
    projection = index.get("Projection", {})
    has = set(projection.get("NonKeyAttributes") or ())
    lacks = [name for name in INDEX_ATTRIBUTES if name not in has]
    if projection.get("ProjectionType") == "ALL":
        return Finding(
            "index", "note", f"{tables.INDEX} carries everything: each write of data costs twice",
            f"make a new table with `statustrack copy URL URL --table {table} --to-table NEW --create`",
        )  # fmt: skip
    if not lacks:
        return Finding("index", "good", f"{tables.INDEX} carries what listings show")
    return Finding(
        "index", "note", f"{tables.INDEX} is an older one without {', '.join(lacks)}: it works, listings read more",
        f"make a new table with `statustrack copy URL URL --table {table} --to-table NEW --create`",
    )  # fmt: skip


def _billing(description: dict[str, Any]) -> Finding:
    mode = (description.get("BillingModeSummary") or {}).get("BillingMode")
    capacity = description.get("ProvisionedThroughput") or {}
    units = int(capacity.get("ReadCapacityUnits") or 0), int(capacity.get("WriteCapacityUnits") or 0)
    if mode == "PAY_PER_REQUEST" or (mode is None and units == (0, 0)):
        return Finding("billing", "good", "on demand")
    says = f"provisioned: {units[0]:,} read and {units[1]:,} write units a second; more is throttled"
    return Finding("billing", "note", says, "watch ThrottledRequests in CloudWatch, or change to PAY_PER_REQUEST")


def _retention(connection: Connection, table: str) -> Finding:
    reply = _ask(connection, "describe_time_to_live", table)
    if isinstance(reply, Finding):
        return reply._replace(topic="retention")
    said = reply.get("TimeToLiveDescription") or {}
    status, attribute = said.get("TimeToLiveStatus", "DISABLED"), said.get("AttributeName")
    option = "--time-to-live-specification Enabled=true,AttributeName=expire_at"
    turn_on = _aws(connection, "update-time-to-live", table, option)
    if status in ("ENABLED", "ENABLING") and attribute == "expire_at":
        return Finding("retention", "good", "TTL deletes tasks whose expire_at has passed")
    if status in ("ENABLED", "ENABLING"):
        return Finding("retention", "warning", f"TTL is on, but by the attribute {attribute!r}, not expire_at", turn_on)
    return Finding("retention", "note", "TTL is off: nothing is deleted, whatever keep_..._seconds says", turn_on)


def _backup(connection: Connection, table: str) -> Finding:
    reply = _ask(connection, "describe_continuous_backups", table)
    if isinstance(reply, Finding):
        return reply._replace(topic="backup")
    said = (reply.get("ContinuousBackupsDescription") or {}).get("PointInTimeRecoveryDescription") or {}
    if said.get("PointInTimeRecoveryStatus") == "ENABLED":
        return Finding("backup", "good", "point-in-time recovery is on")
    return Finding(
        "backup", "warning", "point-in-time recovery is off: a deleted task, or table, is gone",
        _aws(
            connection, "update-continuous-backups", table,
            "--point-in-time-recovery-specification PointInTimeRecoveryEnabled=true",
        ),
    )  # fmt: skip


def _protection(connection: Connection, description: dict[str, Any], table: str) -> Finding:
    if "DeletionProtectionEnabled" not in description:
        return Finding("protection", "absent", "deletion protection is not offered here")
    if description["DeletionProtectionEnabled"]:
        return Finding("protection", "good", "the table cannot be deleted by mistake")
    return Finding(
        "protection", "note", "the table can be deleted by mistake",
        _aws(connection, "update-table", table, "--deletion-protection-enabled"),
    )  # fmt: skip


def _size(description: dict[str, Any]) -> Finding:
    items, size = int(description.get("ItemCount") or 0), int(description.get("TableSizeBytes") or 0)
    each = f", {size / items / 1000:,.1f} KB each" if items else ""
    return Finding("size", "good", f"about {items:,} items, {size / 1e6:,.1f} MB{each} (DynamoDB counts every 6 hours)")


def _ask(connection: Connection, method: str, table: str) -> dict[str, Any] | Finding:
    """The reply; a finding without topic where the place does not offer this, or we may not ask."""
    try:
        # Named in full, so that the documentation's list of permissions can be checked against the calls.
        if method == "describe_time_to_live":
            reply: dict[str, Any] = connection.ask("describe_time_to_live", table)
        else:
            reply = connection.ask("describe_continuous_backups", table)
        return reply
    except StorageError as error:
        action = "".join(part.capitalize() for part in method.split("_"))
        if _is_denied(error):
            return _closed("", action)
        if is_refused_verb(_code(error)):
            return Finding("", "absent", f"not offered here: {connection.place} has no {action}")
        raise


def _code(error: StorageError) -> str:
    return code_of(error.__cause__) if error.__cause__ is not None else ""


def _is_denied(error: StorageError) -> bool:
    return _code(error) in DENIED


def _closed(topic: str, action: str) -> Finding:
    return Finding(topic, "unknown", f"we may not look: {action} is not allowed", f"allow dynamodb:{action}")
