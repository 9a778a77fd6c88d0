"""Arbitrary messages of every kind, and the same messages as the official classes have them."""

from typing import Any

from hypothesis import strategies as st

from perdure.wire import (
    AttachInvocationCommand,
    AwaitingOn,
    CallCommand,
    ClearAllStateCommand,
    ClearStateCommand,
    CommandAck,
    CompleteAwakeableCommand,
    CompletePromiseCommand,
    End,
    Error,
    GetEagerStateCommand,
    GetEagerStateKeysCommand,
    GetInvocationOutputCommand,
    GetLazyStateCommand,
    GetLazyStateKeysCommand,
    GetPromiseCommand,
    IdempotentRequestTarget,
    InputCommand,
    Message,
    Notification,
    OneWayCallCommand,
    OutputCommand,
    PeekPromiseCommand,
    ProposeRunCompletion,
    ProposeRunCompletionAck,
    RunCommand,
    SendSignalCommand,
    SetStateCommand,
    SleepCommand,
    Start,
    Suspension,
    WireFailure,
    WireFuture,
    WorkflowTarget,
    codes,
)
from perdure.wire.spanned import told_fields
from tests.unit.wire.official import message_class

u32 = st.integers(0, 2**32 - 1) | st.integers(0, 300)
u64 = st.integers(0, 2**64 - 1) | st.integers(0, 300)
ids = st.integers(1, 2**32 - 1) | st.integers(1, 300)
# Long ones are long, around the first length of two bytes; what is in them is all the same.
text = st.text(max_size=20) | st.integers(120, 140).map("b".__mul__)
some_text = st.none() | text
data = st.binary(max_size=20) | st.binary(min_size=120, max_size=140)
pairs = st.lists(st.tuples(text, text), max_size=3).map(tuple)
keys = st.lists(data, max_size=3).map(tuple)
failures = st.builds(WireFailure, u32, text, pairs)
leaves = {
    "completions": st.lists(u32, max_size=4),
    "signals": st.lists(u32, max_size=4),
    "named_signals": st.lists(text, max_size=2),
}
futures = st.recursive(
    st.builds(WireFuture, st.integers(0, 4), **leaves),
    lambda inner: st.builds(
        WireFuture, st.integers(0, 4), **leaves, nested=st.lists(inner, max_size=3)
    ),
    max_leaves=6,
)
targets = (
    st.none()
    | text
    | st.builds(WorkflowTarget, text, text, some_text)
    | st.builds(IdempotentRequestTarget, text, text, text, some_text, some_text)
)
VOID, VALUE, FAILURE = (
    st.fixed_dictionaries({"void": st.just(True)}),
    st.fixed_dictionaries({"value": data}),
    st.fixed_dictionaries({"failure": failures}),
)
NOTHING: st.SearchStrategy[dict[str, Any]] = st.just({})


def _with(result: Any, cls: Any, **fields: Any) -> Any:
    """Build a message whose oneof is one of the given branches."""
    rest = st.fixed_dictionaries(fields)
    return st.builds(lambda branch, others: cls(**branch, **others), result, rest)


_lookup = {"target": targets, "result_completion_id": u32, "name": text}
_call = {
    "service_name": text,
    "handler_name": text,
    "parameter": data,
    "invocation_id_notification_idx": u32,
    "key": text,
    "headers": pairs,
    "idempotency_key": some_text,
    "scope": some_text,
    "limit_key": some_text,
    "name": text,
}
RESULTS = {
    codes.GET_LAZY_STATE_COMPLETION: VOID | VALUE,
    codes.GET_LAZY_STATE_KEYS_COMPLETION: st.fixed_dictionaries({"state_keys": keys}),
    codes.GET_PROMISE_COMPLETION: VALUE | FAILURE,
    codes.PEEK_PROMISE_COMPLETION: VOID | VALUE | FAILURE,
    codes.COMPLETE_PROMISE_COMPLETION: VOID | FAILURE,
    codes.SLEEP_COMPLETION: VOID,
    codes.CALL_COMPLETION: VALUE | FAILURE,
    codes.CALL_INVOCATION_ID_COMPLETION: st.fixed_dictionaries(
        {"invocation_id": text.filter(bool)}
    ),
    codes.RUN_COMPLETION: VALUE | FAILURE,
    codes.ATTACH_INVOCATION_COMPLETION: VALUE | FAILURE,
    codes.GET_INVOCATION_OUTPUT_COMPLETION: VOID | VALUE | FAILURE,
}
completions = st.one_of(
    *(
        _with(result, Notification, code=st.just(code), completion_id=ids)
        for code, result in RESULTS.items()
    )
)
signals = _with(
    VOID | VALUE | FAILURE,
    Notification,
    code=st.just(codes.SIGNAL_NOTIFICATION),
    signal=u32 | text,
)
MESSAGES: dict[str, st.SearchStrategy[Message]] = {
    "Start": st.builds(
        Start,
        id=data,
        debug_id=text,
        known_entries=u32,
        state_map=st.lists(st.tuples(data, data), max_size=3).map(tuple),
        partial_state=st.booleans(),
        key=text,
        retry_count_since_last_stored_entry=u32,
        duration_since_last_stored_entry=u64,
        random_seed=u64,
        scope=some_text,
        limit_key=some_text,
        idempotency_key=some_text,
    ),
    "Suspension": st.builds(Suspension, futures),
    "Error": st.builds(
        Error,
        u32,
        text,
        text,
        st.none() | u32,
        some_text,
        st.none() | u32,
        st.none() | u64,
        st.integers(0, 2),
    ),
    "End": st.builds(End),
    "CommandAck": st.builds(CommandAck, u32),
    "ProposeRunCompletion": _with(VALUE | FAILURE, ProposeRunCompletion, result_completion_id=u32),
    "AwaitingOn": st.builds(AwaitingOn, futures, st.booleans()),
    "ProposeRunCompletionAck": st.builds(ProposeRunCompletionAck, u32),
    "Input": st.builds(InputCommand, pairs, st.none() | data, text),
    "Output": _with(NOTHING | VALUE | FAILURE, OutputCommand, name=text),
    "GetLazyState": st.builds(GetLazyStateCommand, data, u32, text),
    "SetState": st.builds(SetStateCommand, data, st.none() | data, text),
    "ClearState": st.builds(ClearStateCommand, data, text),
    "ClearAllState": st.builds(ClearAllStateCommand, text),
    "GetLazyStateKeys": st.builds(GetLazyStateKeysCommand, u32, text),
    "GetEagerState": _with(NOTHING | VOID | VALUE, GetEagerStateCommand, key=data, name=text),
    "GetEagerStateKeys": st.builds(GetEagerStateKeysCommand, st.none() | keys, text),
    "GetPromise": st.builds(GetPromiseCommand, text, u32, text),
    "PeekPromise": st.builds(PeekPromiseCommand, text, u32, text),
    "CompletePromise": _with(
        NOTHING | VALUE | FAILURE,
        CompletePromiseCommand,
        key=text,
        result_completion_id=u32,
        name=text,
    ),
    "Sleep": st.builds(SleepCommand, u64, u32, text),
    "Call": st.builds(CallCommand, **_call, result_completion_id=u32),
    "OneWayCall": st.builds(OneWayCallCommand, **_call, invoke_time=u64),
    "SendSignal": _with(
        NOTHING | VOID | VALUE | FAILURE,
        SendSignalCommand,
        target_invocation_id=text,
        signal=st.none() | u32 | text,
        entry_name=text,
    ),
    "Run": st.builds(RunCommand, u32, text),
    "AttachInvocation": st.builds(AttachInvocationCommand, **_lookup),
    "GetInvocationOutput": st.builds(GetInvocationOutputCommand, **_lookup),
    "CompleteAwakeable": _with(
        NOTHING | VALUE | FAILURE, CompleteAwakeableCommand, awakeable_id=text, name=text
    ),
    "Completion": completions,
    "Signal": signals,
}


def official_name(message: Message) -> str:
    """Name the official class of a message."""
    if isinstance(message, Notification):
        name = codes.NOTIFICATION_NAMES[message.code]
        return f"{name}{'' if name == 'Signal' else 'Completion'}NotificationMessage"
    name = type(message).__name__
    return f"{name}Message"


def to_official(message: Message) -> Any:
    """Build the same message with the official class."""
    out = message_class(official_name(message))()
    for name in told_fields(message):
        value = getattr(message, name)
        if name == "code" and not isinstance(message, Error):
            continue
        if isinstance(message, Notification) and name == "completion_id" and not value:
            continue
        if value is None:
            continue
        _set(out, message, name, value)
    return out


def _set(out: Any, message: Message, name: str, value: Any) -> None:
    if name == "void":
        if value:
            out.void.SetInParent()
    elif name == "value" and not isinstance(message, ProposeRunCompletion):
        holder = out.completion_value if isinstance(message, CompletePromiseCommand) else out.value
        holder.SetInParent()
        holder.content = value
    elif isinstance(value, WireFailure):
        holder = (
            out.completion_failure if isinstance(message, CompletePromiseCommand) else out.failure
        )
        _fill_failure(holder, value)
    elif isinstance(value, WireFuture):
        fill_future(getattr(out, name), value)
    elif name in ("headers", "state_map"):
        for key, item in value:
            getattr(out, name).add(key=key, value=item)
    elif name in ("keys", "state_keys"):
        holder = out.value if name == "keys" else out.state_keys
        holder.SetInParent()
        holder.keys.extend(value)
    elif name == "signal":
        setattr(out, "name" if isinstance(value, str) else "idx", value)
    elif name == "target":
        _fill_target(out, value)
    else:
        setattr(out, name, value)


def _fill_failure(out: Any, failure: WireFailure) -> None:
    out.SetInParent()
    out.code, out.message = failure.code, failure.message
    for key, value in failure.metadata:
        out.metadata.add(key=key, value=value)


def fill_future(out: Any, future: WireFuture) -> None:
    """Fill an official Future with one of ours."""
    out.SetInParent()
    out.combinator_type = future.combinator
    out.waiting_completions.extend(future.completions)
    out.waiting_signals.extend(future.signals)
    out.waiting_named_signals.extend(future.named_signals)
    for child in future.nested:
        fill_future(out.nested_futures.add(), child)


def _fill_target(out: Any, target: Any) -> None:
    if isinstance(target, str):
        out.invocation_id = target
        return
    workflow = isinstance(target, WorkflowTarget)
    holder = out.workflow_target if workflow else out.idempotent_request_target
    holder.SetInParent()
    for name in told_fields(target):
        if getattr(target, name) is not None:
            setattr(holder, name, getattr(target, name))
