"""What an error of a broker cluster means: which may pass, and which an operator has to mend."""

from typing import Final

from confluent_kafka import KafkaError

from orchestrator.brokers.facts_port import CREDENTIALS, OUT_OF_REACH, RIGHTS, BrokerTrouble

_RIGHTS: Final = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
}
_CREDENTIALS: Final = {
    KafkaError._AUTHENTICATION,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError.UNSUPPORTED_SASL_MECHANISM,
    KafkaError.ILLEGAL_SASL_STATE,
    KafkaError._SSL,
}
_FENCED: Final = {
    KafkaError._FENCED,
    KafkaError.PRODUCER_FENCED,
    KafkaError.INVALID_PRODUCER_EPOCH,
    KafkaError.INVALID_PRODUCER_ID_MAPPING,
}


def is_fenced(error: KafkaError) -> bool:
    """Whether another producer of the same transactional id was opened meanwhile."""
    return error.code() in _FENCED


def is_about_credentials(error: KafkaError) -> bool:
    """Whether the brokers refused the credentials: no attempt succeeds until an operator has
    changed something."""
    return error.code() in _CREDENTIALS


def is_transient(error: KafkaError) -> bool:
    """Whether the same request may succeed later: no broker was reached, or it was not ready."""
    return error.retriable() or error.code() < 0 or error.code() == KafkaError.REQUEST_TIMED_OUT


def trouble_of(error: KafkaError, doing: str) -> BrokerTrouble:
    """`doing` completes "the user may not …"."""
    text = error.str() or error.name()
    if error.code() in _RIGHTS:
        return BrokerTrouble(RIGHTS, f"the user of these options may not {doing} ({text})")
    if is_about_credentials(error):
        return BrokerTrouble(CREDENTIALS, f"the brokers refuse the connection ({text})")
    return BrokerTrouble(OUT_OF_REACH, f"no broker answers ({text})", passes=True)
