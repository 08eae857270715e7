"""The sizes that keep every task recordable, with the arithmetic that they follow from."""

from __future__ import annotations

KB = 1024

#: DynamoDB's limit on one item, names included (Amazon DynamoDB Developer Guide, "Service quotas").
ITEM_BYTES = 400 * KB
#: What is kept free for everything that is not the user's data: keys and times (1 KB), errors (22 KB), attempts
#: (2 KB), notes (7 KB), late results (4 x 2 KB), progress (1 KB), and room for attributes of others.
RESERVE_BYTES = 48 * KB
#: The most that ``data`` may take, as UTF-8 bytes of its JSON text; the same on every engine.
DATA_BYTES = ITEM_BYTES - RESERVE_BYTES

#: DynamoDB's limit on a hash key, in UTF-8 bytes; the same on every engine.
KEY_BYTES = 2048

#: Errors kept: per step, and in bytes of JSON over all steps.
ERRORS_PER_STEP = 10
ERRORS_BYTES = 22 * KB
#: One entry of the error history: the repr of the exception and its traceback.
ERROR_TEXT = 1000
TRACEBACK_TEXT = 3000
#: The summary shown in lists.
SUMMARY_TEXT = 120

ATTEMPTS_KEPT = 10
NOTES_KEPT = 20
NOTE_TEXT = 200
LATE_RESULTS_KEPT = 4
LATE_RESULT_BYTES = 2 * KB - 1
PROGRESS_TEXT = 500

#: Backoff and snooze.
LONGEST_DELAY_SECONDS = 366 * 86_400
#: A lease that ends later than this beyond the configured lease was not written by a sane clock: it counts as over.
ODD_LEASE_MS = 86_400_000
