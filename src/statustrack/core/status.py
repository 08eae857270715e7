"""The five states of a step and the enum in which users name their status codes."""

from __future__ import annotations

import enum


class StatusNameEnum(enum.Enum):
    """The five states that every step of every task goes through."""

    pending = "pending"
    in_progress = "in_progress"
    failed = "failed"
    succeeded = "succeeded"
    ignored = "ignored"


STATUS_NAMES: tuple[str, ...] = tuple(member.value for member in StatusNameEnum)


class BaseStatusEnum(int, enum.Enum):
    """Base of the user's own status enum: a readable name and a stored integer for each of the five states.

    Example::

        class Step1StatusEnum(BaseStatusEnum):
            pending = 10
            in_progress = 20
            failed = 30
            succeeded = 40
            ignored = 50
    """

    @property
    def status_name(self) -> str:
        """The name of this status, for example ``'pending'``."""
        return self.name

    @classmethod
    def from_value(cls, value: int) -> BaseStatusEnum:
        """The member with this code. Raises ``ValueError`` for a code that is not in the enum."""
        return cls(value)

    @classmethod
    def value_to_name(cls, value: int) -> str:
        """The name of this code. Raises ``ValueError`` for a code that is not in the enum."""
        return cls.from_value(value).name

    @classmethod
    def values(cls) -> list[int]:
        """All codes, in the order of definition."""
        return [status.value for status in cls]
