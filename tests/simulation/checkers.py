"""What must hold of a world that has come to rest."""

import json
from collections import Counter
from random import Random
from typing import TYPE_CHECKING

from orchestrator.codec.keys import input_key, parse_object_key, result_key, state_prefix
from orchestrator.machine import kv
from orchestrator.model.lanes import MINTED_FIRST
from orchestrator.model.rows import CompletedRow
from orchestrator.model.values import LIVE_STATUSES, Failure
from orchestrator.processor.partition import Partition
from orchestrator.processor.reads import journal_of
from perdure import wire
from tests.simulation.clients import Wish
from tests.simulation.programs import OBJECT, WILD_KEYS, Program
from tests.simulation.replay import Known, Watch, contents, replay

if TYPE_CHECKING:
    from tests.simulation.world import World

CATCH_ALL = ("killed", "canceled")


def check(world: "World", watch: Watch | None = None) -> None:
    known, numbers = Known(world.oracle), range(world.plan.partitions)
    partitions = [_check_stores(world, number, known, watch) for number in numbers]
    if world.plan.remade == "busy":
        _check_told(world, known, partitions)
        return
    _check_rest(world, partitions)
    if world.plan.tail_lost:
        return  # what the log lost may happen again
    roots = _roots(world)
    _check_wishes(world, known)
    _check_lives(world, known, roots)
    _check_outcomes(world, known)
    _check_results(world, known)
    _check_sends(world, known)
    for partition in partitions:
        _check_journals(world, partition)
        _check_state(world, known, partition, roots)


# --- stores ---


def _check_stores(world: "World", number: int, known: Known, watch: Watch | None) -> Partition:
    """The leader's store, the log applied at once, and applied in bits: the same bytes."""
    partition = replay(world, number, known, None, watch)
    rows = contents(partition)
    other = contents(replay(world, number, None, Random(f"spills {world.seed}"), None))
    _compare(world, f"partition {number}, spilled elsewhere", rows, other)
    live = world.finals.get(number)
    if live is not None:
        _compare(world, f"partition {number}, the leader", rows, contents(live))
    return partition


def _compare(
    world: "World", what: str, rows: dict[bytes, bytes], other: dict[bytes, bytes]
) -> None:
    for key in sorted(rows.keys() | other.keys()):
        if rows.get(key) != other.get(key):
            text = f"{key[:60]!r}: {rows.get(key)!r:.300} and {other.get(key)!r:.300}"
            world.oracle.broken("stores", f"{what}: {text}")
            return


def _check_rest(world: "World", partitions: list[Partition]) -> None:
    """Nothing is owed, nothing is held."""
    rows = [partition.state.partition_row for partition in partitions]
    for source, row in enumerate(rows):
        for target, lane in sorted(row.lanes.items()):
            if target >= MINTED_FIRST:  # to a topic
                continue
            taken = rows[target].inbound.get(source, 0)
            count, trimmed = lane.given, lane.trimmed
            if not count == taken == trimmed and not world.plan.tail_lost:
                world.oracle.broken(
                    "outbox", f"{source} to {target}: gave {count}, {taken} taken, {trimmed} gone"
                )
    for partition in partitions:
        for key, owner in partition.state.objects.scan():
            if owner.lock or owner.inbox_head != owner.inbox_tail:
                world.oracle.broken("locks", f"{key!r} is held when all is done")
            size_bytes = sum(len(k) + len(v) for k, v in kv.pairs(partition.state, owner))
            if owner.state_bytes != size_bytes:
                world.oracle.broken("counts", f"{key!r}: {owner.state_bytes}, not {size_bytes}")
        _check_orphans(world, partition)
        statuses = [row.status for _, row in partition.state.invocations.scan()]
        counts = [statuses.count(status) for status in range(LIVE_STATUSES)]
        if partition.state.partition_row.live != counts:
            world.oracle.broken("counts", f"{partition.state.partition_row.live}, not {counts}")
    if not world.plan.tail_lost:
        _check_causes(world, partitions)


def _check_orphans(world: "World", partition: Partition) -> None:
    """Rows of state and promises go with the generation they belong to, inputs with a journal,
    results with what completed."""
    state = partition.state
    rows = (row for table in (state.invocations, state.completed) for _, row in table.scan())
    given = {input_key(row.invoke.id, row.incarnation) for row in rows if row.input_bytes}
    if given != {key for key, _ in state.inputs.scan()}:
        world.oracle.broken("stores", "an input is missing, or belongs to nobody")
    results = {
        result_key(row.invoke.id, row.incarnation)
        for _, row in state.completed.scan()
        if row.result_bytes
    }
    if results != {key for key, _ in state.results.scan()}:
        world.oracle.broken("stores", "a result is missing, or belongs to nobody")
    owned = set()
    for raw, owner in state.objects.scan():
        owned |= {state_prefix(raw, owner.generation), state_prefix(raw, owner.state_generation)}
    for table in (state.state_rows, state.promises):
        for key, _ in table.scan():
            service, name, rest = parse_object_key(key)
            prefix = key[: len(key) - len(rest) + 8]
            if prefix not in owned:
                world.oracle.broken("stores", f"a row of {service}/{name} belongs to nobody")


def _check_causes(world: "World", partitions: list[Partition]) -> None:
    """Nobody who is over still waits, and what an invocation kept by number goes with it."""
    states = [partition.state for partition in partitions]
    live = {(key, row.incarnation) for state in states for key, row in state.invocations.scan()}
    for state in states:
        waiting = [caller for _, row in state.invocations.scan() for caller in row.waiters]
        waiting += [caller for _, promise in state.promises.scan() for caller in promise.waiters]
        waiting += [row.caller for _, row in state.waiters.scan() if row.caller is not None]
        for caller in waiting:
            if (caller.id, caller.incarnation) not in live:
                world.oracle.broken("stores", f"{caller.id.hex()} is over and still waits")
        owners = [owner for _, owner in state.objects.scan()]
        counted = sum(owner.state_count for owner in owners)
        if counted != len(list(state.state_rows.scan())):
            world.oracle.broken("stores", f"rows of state: {counted} are counted")
        if not all(one.state or one.state_count or one.promise_count for one in owners):
            world.oracle.broken("stores", "a key that holds nothing has a row")
        for key, _ in state.details.scan():
            if (key[:24], int.from_bytes(key[24:32], "big")) not in live:
                world.oracle.broken("stores", f"a page of {key[:24].hex()} belongs to nobody")


# --- clients ---


def _check_told(world: "World", known: Known, partitions: list[Partition]) -> None:
    """Of a log that was made anew amid everything: what clients were told is in the old one."""
    live = {key for partition in partitions for key, _ in partition.state.invocations.scan()}
    for wish in world.plan.wishes:
        if wish.invoke is None or "Purge" in world.oracle.operations[wish.id]:
            continue
        lives = known.lives[wish.id]
        if wish.accepted and not lives and wish.id not in live:
            world.oracle.broken("accepted", f"{wish.program['token']} was accepted and is lost")
        if any(
            outcome not in [known.outcomes[life] for life in lives] for outcome in wish.outcomes
        ):
            world.oracle.broken("replies", f"{wish.program['token']} was told what is not known")


def _check_wishes(world: "World", known: Known) -> None:
    created: Counter[bytes] = Counter()
    for wish in world.plan.wishes:
        if wish.invoke is None or not wish.accepted:
            continue
        purged = "Purge" in world.oracle.operations[wish.id]
        created[wish.id] += wish.created_count
        if not known.lives[wish.id] and not purged:
            world.oracle.broken("accepted", f"{wish.program['token']} was accepted and is lost")
        outcomes = [known.outcomes[life] for life in known.lives[wish.id]]
        for outcome in wish.outcomes:
            if outcome not in outcomes:
                world.oracle.broken(
                    "replies", f"{wish.program['token']} was told {outcome!r}, is {outcomes!r}"
                )
        if created[wish.id] > 1 and not _may_repeat(world, wish):
            world.oracle.broken("accepted", f"{wish.program['token']} was created twice")


def _roots(world: "World") -> dict[str, Wish]:
    """The wish that every program comes from."""
    roots: dict[str, Wish] = {}

    def walk(program: Program, wish: Wish) -> None:
        roots[program["token"]] = wish
        for op in program["ops"]:
            targets = op[1] if op[0] == "calls" else [op[1:5]]
            for target in targets:
                if len(target) == 4 and isinstance(target[3], dict):
                    walk(target[3], wish)

    for wish in world.plan.wishes:
        walk(wish.program, wish)
    return roots


def _check_lives(world: "World", known: Known, roots: dict[str, Wish]) -> None:
    """What was asked once is done once: calls, sends and requests."""
    for token, wish in roots.items():
        lives = known.tokens.get(token, [])
        if wish.invoke is None or _may_repeat(world, wish):
            continue
        if len(lives) > 1:
            world.oracle.broken("exactly once", f"{token} has {len(lives)} lives")


# --- outcomes ---


def _check_outcomes(world: "World", known: Known) -> None:
    for life, outcome in known.outcomes.items():
        told = world.oracle.outputs.get(life, [])
        if isinstance(outcome, Failure):
            if "without a result" in outcome.message:
                world.oracle.broken("outcomes", f"{life[0].hex()} {outcome.message}")
        elif outcome not in told and known.rows[life].invoke.produce is None:
            world.oracle.broken("outcomes", f"{life[0].hex()} gave {told}, kept {outcome!r}")


def _check_results(world: "World", known: Known) -> None:
    """What a caller was told is what the callee came to."""
    for token, failure in world.oracle.results:
        outcomes = [known.outcomes[life] for life in known.tokens.get(token, [])]
        if failure is None:
            if not any(isinstance(outcome, bytes) for outcome in outcomes):
                world.oracle.broken("results", f"{token} was told a value, is {outcomes!r}")
        elif not any(isinstance(o, Failure) and o.message == failure for o in outcomes):
            world.oracle.broken("results", f"{token} was told {failure!r}, is {outcomes!r}")


def _check_sends(world: "World", known: Known) -> None:
    """What a program sent before it came to its end has been done."""
    sends = world.plan.programs.sends
    for token, lives in sorted(known.tokens.items()):
        if not any(isinstance(known.outcomes[life], bytes) for life in lives):
            continue
        for sent in sends.get(token, []):
            if sent not in known.tokens:
                world.oracle.broken("outbox", f"{sent}, sent by {token}, never came")


# --- rows ---


def _check_journals(world: "World", partition: Partition) -> None:
    for key, row in partition.state.completed.scan():
        if not row.entries:
            continue
        stored = journal_of(partition.state, key, row.incarnation)
        entries, commands = wire.count(b"".join(frame for _, frame in stored))
        if (entries, commands) != (row.entries, row.commands):
            world.oracle.broken(
                "journal",
                f"{key.hex()} counts {row.entries}, {row.commands}; has {entries}, {commands}",
            )


def _check_state(
    world: "World", known: Known, partition: Partition, roots: dict[str, Wish]
) -> None:
    """Every write of an exclusive handler once, none between those of another one."""
    state = partition.state
    done = _by_key(world, known)
    for _, owner in state.objects.scan():
        if owner.service != OBJECT:
            continue
        log = json.loads(kv.get(state, owner, b"log") or b"[]")
        twice = [
            put
            for put, count in Counter(log).items()
            if count > 1 and put != "patched" and not _is_purged(world, roots, put)
        ]
        if twice:
            world.oracle.broken("exactly once", f"{owner.key} has {twice} more than once")
        if owner.key not in WILD_KEYS:
            _check_key(world, owner.key, log, done.pop(owner.key, []))
    for key, rows in sorted(done.items()):
        own = [row for row in rows if _puts(world, row)]
        if own and key not in WILD_KEYS and _is_here(key, partition):
            world.oracle.broken("exactly once", f"the state of {key} is gone")


def _is_purged(world: "World", roots: dict[str, Wish], put: str) -> bool:
    """An operator had it forgotten: it may be done anew."""
    wish = roots.get(put.partition(".")[0])
    if wish is None or wish.invoke is None:
        return True
    return _may_repeat(world, wish)


def _may_repeat(world: "World", wish: Wish) -> bool:
    """An operator had it forgotten, or done again as new; or a result that was kept for a time of
    the wall clock has expired by a step of it."""
    if world.oracle.may_expire_early or (world.oracle.has_jumped_far and wish.is_derived):
        return True
    return not world.oracle.operations[wish.id].isdisjoint(("Purge", "Restart"))


def _is_here(key: str, partition: Partition) -> bool:
    from orchestrator.model.ids import key_partition_key, partition_of_key

    count = partition.state.partition_count
    return partition_of_key(key_partition_key(key), count) == partition.number


def _by_key(world: "World", known: Known) -> dict[str, list[CompletedRow]]:
    """Exclusive invocations that came to their own end, in the order they were admitted."""
    done: dict[str, list[CompletedRow]] = {}
    for life, row in sorted(known.rows.items(), key=lambda pair: pair[0][1]):
        ended = isinstance(known.outcomes[life], bytes)
        if ended and row.invoke.service == OBJECT and row.invoke.handler == "write":
            done.setdefault(row.invoke.key, []).append(row)
    return done


def _puts(world: "World", row: CompletedRow) -> list[str]:
    token = json.loads(row.invoke.body)["token"]
    return world.plan.programs.puts.get(token, [])


def _check_key(world: "World", key: str, log: list[str], rows: list[CompletedRow]) -> None:
    last = -1
    for row in rows:
        puts = _puts(world, row)
        if not puts:
            continue
        # One that was killed, forgotten and asked for again may have begun before.
        places = [n for n in range(len(log)) if log[n : n + len(puts)] == puts]
        at = places[0] if places else -1
        if at < 0:
            world.oracle.broken("exactly once", f"{key} lacks {puts} or has others between: {log}")
            return
        if row.invoke.start_at_ms or _shares_record(row, rows) or log.count(puts[0]) > 1:
            continue
        if at < last:
            world.oracle.broken("order", f"{puts} of {key} came out of their turn: {log}")
        last = at


def _shares_record(row: CompletedRow, rows: list[CompletedRow]) -> bool:
    return sum(other.incarnation == row.incarnation for other in rows) > 1
