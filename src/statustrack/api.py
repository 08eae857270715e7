"""The names of the original: ``import statustrack.api as pm``, then ``st = pm.patterns.status_tracker``."""

import statustrack
from statustrack import __version__


class constants:  # noqa: N801 - the original's name is a module's
    """The constants of pynamodb that a Meta class needs."""

    PAY_PER_REQUEST_BILLING_MODE = "PAY_PER_REQUEST"
    PROVISIONED_BILLING_MODE = "PROVISIONED"


class patterns:  # noqa: N801 - the original's name is a module's
    """The patterns of the original; here there is one."""

    status_tracker = statustrack


__all__ = ["__version__", "constants", "patterns"]
