"""What went wrong between us and DynamoDB, as errors that name the value and the way out."""

from __future__ import annotations

from typing import Any

from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from statustrack.core.errors import StorageError, StorageUnavailableError, TableMismatchError, TableNotFoundError

#: Everything that a call of the client may raise for reasons of the network, the service or the configuration.
TROUBLE = (boto.ClientError, boto.BotoCoreError, ResponseParserError)

CONDITION = "ConditionalCheckFailedException"
CANCELED = "TransactionCanceledException"
VALIDATION = "ValidationException"
MISSING = "ResourceNotFoundException"

DENIED = frozenset({"AccessDeniedException", "AccessDenied", "NotAuthorized"})
_UNKNOWN_OPERATION = frozenset({"UnknownOperationException", "UnknownOperation", "NotImplemented", "InvalidAction"})

#: Not applied; another try may succeed. The first four are what boto3 retries too, the others it does not.
_AGAIN = frozenset(
    {
        "ProvisionedThroughputExceededException",
        "ThrottlingException",
        "RequestLimitExceeded",
        "LimitExceededException",
        "Throttling",
        "ThrottlingError",
        "ProvisionedThroughputExceeded",
        "TransactionConflictException",
        "TransactionConflict",
        "TransactionInProgressException",
        "ReplicatedWriteConflictException",
        "InternalServerError",
        "InternalFailure",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "RequestTimeout",
    }
)
_CREDENTIALS = frozenset(
    {
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "ExpiredToken",
        "ExpiredTokenException",
        "RequestExpired",
        "OptInRequired",
    }
)
#: Parts of the messages by which DynamoDB says that the table has another key or lacks the index.
_OTHER_SHAPE = (
    "key element does not match",
    "keys was not given a value",
    "missing the key",
    "number of conditions on the keys is invalid",
    "does not have the specified index",
    "type mismatch for key",
    "type mismatch for index key",
)
_NARROW_INDEX = "does not project"
_TOO_LARGE = ("item size", "size limit", "exceeded the maximum allowed size")


def code_of(error: BaseException) -> str:
    """DynamoDB's code of an error; empty where there was no reply."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, boto.ClientError) else ""


def message_of(error: BaseException) -> str:
    """DynamoDB's own words."""
    if isinstance(error, boto.ClientError):
        detail = error.response.get("Error", {})
        return str(detail.get("Message") or detail.get("message") or error)
    return str(error)


def is_too_large(message: str) -> bool:
    """Whether a ValidationException is about the size of the item."""
    return any(part in message.lower() for part in _TOO_LARGE)


def is_other_shape(message: str) -> bool:
    """Whether a ValidationException says that the table is not made as ours are."""
    return any(part in message.lower() for part in _OTHER_SHAPE)


def is_refused_verb(code: str) -> bool:
    """Whether the service does not offer, or not to us, the verb itself (PartiQL, for a narrow role or an emulator)."""
    return code in DENIED or code in _UNKNOWN_OPERATION


def is_narrow_index(message: str) -> bool:
    """Whether a query filters by an attribute that an older index does not carry."""
    return _NARROW_INDEX in message


def is_no_answer(error: BaseException) -> bool:
    """Whether no connection came about: nothing was sent."""
    return isinstance(
        error, (boto.EndpointConnectionError, boto.ConnectTimeoutError, boto.ProxyConnectionError, boto.SSLError)
    )


def is_again(code: str) -> bool:
    """Whether the same request may succeed when it is sent again."""
    return code in _AGAIN


def explain(error: BaseException, place: str, table: str | None = None) -> StorageError:
    """The error to raise or report. A ``StorageUnavailableError`` is one that another try may cure.

    :param place: what the engine talks to, "DynamoDB in us-east-1 at http://...".
    """
    subject = f"table {table!r} of {place}" if table else place
    if isinstance(error, boto.ClientError):
        return _of_reply(error, place, table, subject)
    return _without_reply(error, place)


def _of_reply(error: Any, place: str, table: str | None, subject: str) -> StorageError:
    code, message = code_of(error), message_of(error)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    said = f"{code}: {message}"
    if code == MISSING and table:
        return missing_table(table, place)
    if code in DENIED:
        return StorageError(
            f"no permission on {subject} ({said}). Give this role the action that the message names; "
            "the actions that the library uses are listed in the guide, 'DynamoDB in production'."
        )
    if code in _CREDENTIALS:
        return StorageError(
            f"{place} does not accept these credentials ({said}). Check `aws sts get-caller-identity`: they may be "
            "expired, of another account or partition, or this machine's clock may be off by more than five minutes."
        )
    if code == VALIDATION and is_other_shape(message):
        return TableMismatchError(f"{subject} is not made as this library's tables are ({said}).")
    if code in _AGAIN or status >= 500 or status == 429:
        return StorageUnavailableError(f"{subject} did not carry out the request, after retries ({said}).")
    return StorageError(f"{subject} refused the request ({said}).")


def _without_reply(error: BaseException, place: str) -> StorageError:
    words = str(error)
    if isinstance(error, boto.NoRegionError):
        return StorageError(
            "no AWS region is set: write it into the engine URL (dynamodb://us-east-1) or Meta.region, or set "
            "AWS_DEFAULT_REGION or the region of the profile."
        )
    if isinstance(error, boto.ProfileNotFound):
        return StorageError(f"{words}. Profiles are in ~/.aws/config; `aws configure list-profiles` shows them.")
    if isinstance(
        error,
        (
            boto.NoCredentialsError,
            boto.PartialCredentialsError,
            boto.CredentialRetrievalError,
            boto.NoAuthTokenError,
            boto.TokenRetrievalError,
            boto.SSOError,
            boto.UnauthorizedSSOTokenError,
            boto.RefreshWithMFAUnsupportedError,
        ),
    ):
        return StorageError(
            f"no AWS credentials for {place} ({words}). Give them as for every boto3 program: AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, a profile (?profile=NAME or AWS_PROFILE; `aws sso login`), or the role of the "
            "machine. DynamoDB Local takes any."
        )
    if isinstance(error, boto.SSLError):  # before the next one, which it may be a kind of
        return StorageUnavailableError(
            f"no secure connection to {place} ({words}). Is the endpoint http:// rather than https://, or is a "
            "certificate missing (AWS_CA_BUNDLE)?"
        )
    if is_no_answer(error):
        return StorageUnavailableError(
            f"nothing answers for {place} ({words}). Check the region, the endpoint (?endpoint=URL, Meta.host or "
            "AWS_ENDPOINT_URL; is DynamoDB Local running?), the network and the proxy."
        )
    if isinstance(error, (boto.HTTPClientError, boto.ConnectionError, boto.IncompleteReadError, ResponseParserError)):
        return StorageUnavailableError(f"the reply of {place} did not come, or not whole ({words}).")
    return StorageError(f"{place} cannot be used: {type(error).__name__}: {words}")


def missing_table(table: str, place: str) -> TableNotFoundError:
    """The error for a table that is not there."""
    return TableNotFoundError(
        f"table {table!r} is not in {place}. Make it with `Task.create_table()` or `statustrack init`, "
        "or check the region, the endpoint, the account and `Meta.table_name`."
    )
