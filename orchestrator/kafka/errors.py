"""Which errors of a Kafka cluster an operator must mend; with all others one tries again."""

from typing import Final

from confluent_kafka import KafkaError, KafkaException

from orchestrator.model.refusal import LogRefused

REQUEST_S: Final = 5.0
"""How long a question to the brokers may take."""

TOPIC_APPEARS_S: Final = 10.0
"""How long a topic that was made may take to be seen."""

OUT_OF_RANGE: Final = (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE)
"""The topic does not hold the offset that is to be read."""

NO_TOPIC: Final = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC)

_PERMISSION: Final = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
}
_CREDENTIALS: Final = {KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED}
_CREATION: Final = {
    KafkaError.INVALID_REPLICATION_FACTOR,
    KafkaError.INVALID_PARTITIONS,
    KafkaError.INVALID_CONFIG,
    KafkaError.POLICY_VIOLATION,
    KafkaError.TOPIC_EXCEPTION,
}
_VERSION: Final = {KafkaError.UNSUPPORTED_VERSION, KafkaError._UNSUPPORTED_FEATURE}


def error_of(raised: KafkaException) -> KafkaError:
    error = raised.args[0]
    assert isinstance(error, KafkaError), "librdkafka raises its own errors only"
    return error


def text_of(raised: KafkaException) -> str:
    """The name of the error too, since some have no text."""
    error = error_of(raised)
    return f"{error.str()} ({error.name()})".strip()


def refusal_of(error: KafkaError, doing: str) -> LogRefused | None:
    """The refusal that this error means when met at `doing`; None: try again."""
    code, text = error.code(), error.str()
    if code in _PERMISSION:
        return lacking_rights(f"may not {doing} ({text})")
    if code in _CREDENTIALS:
        return LogRefused(
            "PD0112",
            f"The Kafka brokers refuse the credentials of this node ({text}).",
            "Check the sasl.* and ssl.* options.",
        )
    if code in _CREATION:
        return LogRefused(
            "PD0116",
            f"The brokers refuse to {doing} ({text}).",
            "Create the topics yourself, or change --replication-factor or the brokers' policy.",
        )
    if code in _VERSION:
        return LogRefused(
            "PD0119",
            f"The Kafka brokers are too old to {doing} ({text}).",
            "Use brokers of version 3.1 or later.",
        )
    return None


def refuse(error: KafkaError, doing: str) -> None:
    """Raise the refusal that this error means, if it means one."""
    refusal = refusal_of(error, doing)
    if refusal is not None:
        raise refusal


def is_about_rights(error: KafkaError) -> bool:
    """Whether a right is missing: the request succeeds once an operator has given it."""
    return error.code() in _PERMISSION


def reason_of(error: KafkaError, doing: str) -> str:
    """The message of a retryable error met at `doing`, for people."""
    refusal = refusal_of(error, doing)
    return str(refusal) if refusal is not None else str(error.str())


def lacking_rights(what: str) -> LogRefused:
    return LogRefused(
        "PD0113",
        f"The Kafka user of this node {what}.",
        "Allow it Create, Describe, DescribeConfigs, Read and Write on the topics of this cluster,"
        " and Read and Describe on its groups: perdure explain PD0113 has the commands.",
    )
