"""AWS Lambda's Invoke API, by boto3 (extra `lambda`), which is loaded when it is first needed.

Credentials, and the addresses of the APIs where they are not Amazon's, are found as by every
program that uses boto3. Throttling is not retried here but by the retry policy of the handler.
"""

import json
import threading
from typing import Any, Final

from orchestrator.exchanges.functions import CALLS_MAX, FunctionFailed, FunctionReply, read_reply

CONNECT_S: Final = 10
READ_S: Final = 15 * 60 + 10
"""The longest that a function may run, and some for the way."""
_SESSION: Final = "perdure"
_THROTTLED: Final = frozenset(
    ("TooManyRequestsException", "ThrottlingException", "Throttling", "EC2ThrottledException")
)


class AwsLambda:
    """Implements FunctionCaller. `endpoint` is the URL of the API, None for Amazon's."""

    def __init__(self, endpoint: str | None = None) -> None:
        self._endpoint = endpoint
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, str], Any] = {}  # by region and role

    def call(self, arn: str, role: str, event: bytes) -> FunctionReply:
        """As FunctionCaller says. The function's ARN says its region, and its version."""
        client = self._client(arn.split(":")[3], role)
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer = client.invoke(FunctionName=arn, Payload=event)
            payload: bytes = answer["Payload"].read()
        except ClientError as error:
            return _refused(error.response)
        except BotoCoreError as error:
            raise FunctionFailed(f"AWS Lambda cannot be called: {error}") from None
        if answer.get("FunctionError"):
            raise FunctionFailed(f"the function failed: {_error_of(payload)}")
        return read_reply(payload)

    def _client(self, region: str, role: str) -> Any:
        """A client that any number of threads may use."""
        with self._lock:
            client = self._clients.get((region, role))
            if client is None:
                client = self._clients[region, role] = self._make(region, role)
            return client

    def _make(self, region: str, role: str) -> Any:
        try:
            import boto3
            from botocore.config import Config
            from botocore.session import get_session
        except ImportError:
            raise FunctionFailed("boto3 is missing: pip install 'perdure-server[lambda]'") from None
        inner = get_session()
        if role:
            inner._credentials = _as_role(inner, region, role)
        config = Config(
            connect_timeout=CONNECT_S,
            read_timeout=READ_S,
            retries={"total_max_attempts": 1},
            max_pool_connections=CALLS_MAX,
            tcp_keepalive=True,
        )
        session = boto3.Session(botocore_session=inner, region_name=region)
        return session.client("lambda", endpoint_url=self._endpoint, config=config)


def _as_role(inner: Any, region: str, role: str) -> Any:
    """Credentials of a role, fetched again before they end."""
    from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials

    own = inner.get_credentials()
    if own is None:
        raise FunctionFailed(f"{role} cannot be assumed: there are no credentials of AWS here")

    def make(service: str, **options: Any) -> Any:
        return inner.create_client(service, region_name=region, **options)

    fetcher = AssumeRoleCredentialFetcher(make, own, role, {"RoleSessionName": _SESSION})
    return DeferredRefreshableCredentials(
        method="assume-role", refresh_using=fetcher.fetch_credentials
    )


def _refused(answer: dict[str, Any]) -> FunctionReply:
    """What the API said in place of the function; throttling and sizes as HTTP statuses."""
    error, about = answer.get("Error", {}), answer.get("ResponseMetadata", {})
    code, status = str(error.get("Code", "")), int(about.get("HTTPStatusCode", 0))
    if status == 429 or code in _THROTTLED:
        after = about.get("HTTPHeaders", {}).get("retry-after")
        return FunctionReply(429, ((b"retry-after", str(after).encode()),) if after else (), b"")
    if status == 413:
        return FunctionReply(413, (), b"")
    raise FunctionFailed(f"AWS Lambda refuses the call: {code}: {error.get('Message', '')}")


def _error_of(payload: bytes) -> str:
    """The error of a function, as Lambda reports it."""
    try:
        found = json.loads(payload)
        return f"{found.get('errorType', 'Error')}: {found['errorMessage']}"
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return payload[:200].decode("utf-8", "replace")
