"""What a seed decides before the world begins: sizes, chances of faults, what clients want."""

from dataclasses import dataclass
from random import Random

import msgspec

from orchestrator.invoker.options import InvokerOptions
from orchestrator.processor.options import ProcessorOptions
from tests.simulation.bounds import make_bounds
from tests.simulation.broker import LogFaults
from tests.simulation.clients import Wish
from tests.simulation.network import NetworkFaults
from tests.simulation.node import NodeFaults
from tests.simulation.programs import OBJECT, OBJECT_KEYS, SERVICE, WILD_KEYS, WORKFLOW, Programs


@dataclass
class Plan:
    """One world."""

    partitions: int
    trouble_s: float  # how long faults go on
    options: ProcessorOptions
    invoker: InvokerOptions
    log: LogFaults
    network: NetworkFaults
    node: NodeFaults
    wishes: list[Wish]
    crash_count: int
    zombie_count: int
    echo_count: int
    revoke_count: int
    full_count: int
    operation_count: int
    metadata_late_s: float
    programs: Programs
    disk: bool  # on the embedded log's files, else on a broker
    fuse_max: int
    tail_lost: bool  # a crash takes acknowledged messages with it
    rebirth_count: int = 0
    hurry_count: int = 0
    jump_count: int = 0
    restart_count: int = 0
    resend_count: int = 0
    stale_count: int = 0
    loss_count: int = 0  # times that the log loses its tail under a live leader
    removal_count: int = 0  # deployments that are deleted by force
    hung_count: int = 0  # deployments that answer nothing
    versions: bool = False  # two versions of the software side by side
    watched: float = 0.0  # share of the requests whose result somebody else attaches to
    long: bool = False  # until results have expired
    remade: str = ""  # the log's topic is made anew: at the end, "running" or "down"; or "busy"
    alien: bool = False  # at the end a record comes that nobody knows


def make_plan(seed: int) -> Plan:
    random = Random(f"plan {seed}")
    programs = Programs(random)
    trouble_s = random.choice((2.0, 4.0, 8.0))
    calm = random.random() < 0.1  # a world without faults must be right too

    def chance(most: float) -> float:
        return 0.0 if calm or random.random() < 0.4 else random.random() * most

    plan = Plan(
        partitions=random.choice((1, 2, 3, 3, 3)),
        trouble_s=trouble_s,
        options=_options(random, seed),
        invoker=InvokerOptions(
            attempts_max=random.choice((4, 50, 4000)),
            attempts_per_deployment_max=random.choice((3, 40, 1000)),
            eager_state_bytes_max=random.choice((0, 4000, 1 << 20)),
            protocol_max=random.choice((5, 6, 7, 7)),
            stream_bytes_max=Random(f"streams {seed}").choice((100, 2_000, 1 << 18)),
        ),
        log=LogFaults(
            refused=chance(0.05),
            unknown_landed=chance(0.15),
            unknown_lost=chance(0.06),
            slow=chance(0.01),
            gap=chance(0.1),
            overtaken=random.choice((0.0, 0.5, 1.0)),
            unreadable=chance(0.1),
            latency_s=random.choice((0.0002, 0.003, 0.02)),
            tail_s=Random(f"tail {seed}").choice((0.0, 0.3, 5.0)),
        ),
        network=NetworkFaults(
            unreachable=chance(0.1),
            refused=chance(0.1),
            hangs=chance(0.05),
            garbage=chance(0.03),
            cut=chance(0.1),
            latency_s=random.choice((0.0005, 0.005, 0.03)),
            slow=chance(0.1),
            hasty=chance(0.3),
        ),
        node=NodeFaults(repeated=chance(0.3), late_s=random.choice((0.0, 0.002, 0.05))),
        wishes=[],
        crash_count=0 if calm else random.choice((0, 1, 2, 4, 8)),
        zombie_count=0 if calm else random.choice((0, 0, 1, 3)),
        echo_count=0 if calm else random.choice((0, 5, 20)),
        revoke_count=0 if calm else random.choice((0, 1, 4)),
        full_count=0 if calm else random.choice((0, 0, 1)),
        operation_count=random.choice((0, 5, 15)),
        metadata_late_s=chance(1.0),
        programs=programs,
        disk=random.random() < 0.25,
        fuse_max=random.choice((30, 300, 1000)),
        tail_lost=False,
    )
    plan.rebirth_count = 0 if calm else random.choice((0, 3, 4, 6))
    plan.alien = random.random() < 0.3 and not plan.disk
    plan.hurry_count = 0 if calm else random.choice((0, 20, 60))
    plan.long = plan.rebirth_count > 0 and random.random() < 0.7
    if random.random() < 0.15 and not calm:
        plan.tail_lost, plan.disk, plan.partitions, plan.zombie_count = True, False, 1, 0
        plan.crash_count, plan.alien = 10, False
        plan.options = msgspec.structs.replace(
            plan.options, spill_rows=1, spill_s=0.05, flush_records=2
        )
    if not (plan.disk or plan.alien or plan.tail_lost):
        plan.remade = Random(f"remade {seed}").choice(("", "running", "down", "busy"))
    _fill_wishes(plan, random)
    if not calm:
        _hang(plan, Random(f"hung {seed}"))
        if make_bounds(seed).places == 0:
            _crowd(plan, Random(f"crowd {seed}"))
        more = Random(f"more trouble {seed}")
        plan.jump_count = more.choice((0, 0, 2, 6))
        plan.restart_count = more.choice((0, 0, 3, 8))
        plan.resend_count = 0 if plan.disk else more.choice((0, 30, 60))
        for number in range(more.choice((3, 6)) if plan.resend_count else 0):
            ping = plan.programs.ping(OBJECT_KEYS[number % len(OBJECT_KEYS)])
            plan.wishes.append(Wish(SERVICE, "run", "", ping, more.random() * trouble_s))
        plan.watched = more.choice((0.0, 0.3))
        if more.random() < 0.3:
            plan.log.unknown_lost = max(plan.log.unknown_lost, 0.12)
        plan.log.late = more.choice((0.0, 0.9))
        plan.log.fatal = more.choice((0.0, 0.0, 0.02))
        plan.node.store = more.choice((0.0, 0.0, 0.01))
        plan.node.damage = more.choice((0.0, 0.5))
        plan.stale_count = more.choice((0, 20, 60))
        if plan.tail_lost and more.random() < 0.5:
            _lose_tail_alive(plan)
        _trouble_deployments_and_stores(plan, Random(f"deployments and stores {seed}"))
        _let_stores_lag(plan, Random(f"lagging stores {seed}"))
    if plan.remade == "busy":
        plan.zombie_count = plan.echo_count = plan.resend_count = plan.stale_count = 0
        plan.versions = False
    return plan


def _hang(plan: Plan, random: Random) -> None:
    """Some deployments answer nothing while there is trouble, and are asked for much."""
    count = random.choice((0, 0, 0, 3))
    plan.hung_count = count
    plan.network.hung = frozenset(f"hung-{number}:9080" for number in range(count))
    for number in range(count * 8):
        at_s = random.random() * 0.3 * plan.trouble_s
        program = plan.programs.nap()
        plan.wishes.append(Wish(f"Hung{number % count}", "run", "", program, at_s))


def _crowd(plan: Plan, random: Random) -> None:
    """Many call one object at about the same time: somebody comes while its key is passed on,
    which takes two records."""
    key, count = random.choice(OBJECT_KEYS), random.choice((0, 30))
    begin_s = random.random() * plan.trouble_s
    for _ in range(count):
        at_s = begin_s + random.random() * 0.6
        plan.wishes.append(Wish(OBJECT, "write", key, plan.programs.brief(), at_s))


def _trouble_deployments_and_stores(plan: Plan, random: Random) -> None:
    plan.removal_count = random.choice((0, 0, 0, 1, 3))
    if random.random() < 0.3:
        plan.network.hung |= {f"service-{random.choice((1, 2))}:9080"}
    plan.node.unclosed = random.choice((0.0, 0.0, 0.5))
    plan.node.stalled = random.choice((0.0, 0.0, 0.2))
    plan.versions = random.random() < 0.4 and not plan.tail_lost
    if plan.versions:
        plan.alien, plan.crash_count = False, max(plan.crash_count, 4)
    if random.random() < 0.3 and not plan.tail_lost:  # what a term had under way lands in the next
        plan.log.unknown_landed, plan.log.late = 0.25, 0.9


def _let_stores_lag(plan: Plan, random: Random) -> None:
    """In some worlds whose trouble lasts, where partitions write to them again and again."""
    lagging = random.choice((0.0, 0.0, 0.0, 1.0))
    if lagging and plan.trouble_s > 2.0:
        plan.node.lagging = lagging
        plan.options = msgspec.structs.replace(plan.options, spill_rows=random.choice((1, 5)))


def _lose_tail_alive(plan: Plan) -> None:
    """A leader learns of it by its next append, if nobody has filled the place."""
    plan.loss_count = 3
    plan.echo_count = plan.resend_count = plan.stale_count = 0
    plan.log.gap = 0.0


def _options(random: Random, seed: int) -> ProcessorOptions:
    return ProcessorOptions(
        node="node",
        turn_gap_max_s=random.choice((0.0, 0.002, 0.02)),
        turn_gap_per_attempt_s=random.choice((30e-6, 0.001)),
        spill_rows=random.choice((1, 5, 30, 1000)),
        spill_s=random.choice((0.05, 0.5, 5.0)),
        flush_records=random.choice((5, 5, 40, 100_000)),
        checkpoint_records=random.choice((20, 20, 100, 100_000)),
        spill_bytes=random.choice((50_000, 8 << 20)),
        cleanup_s=random.choice((0.5, 5.0)),
        timers_per_record=random.choice((1, 3, 1000)),
        pending_records_max=Random(f"pending {seed}").choice((2, 4000)),
    )


def _fill_wishes(plan: Plan, random: Random) -> None:
    for number in range(random.choice((10, 20, 30))):
        wish = _wish(plan.programs, random, number, random.random() * plan.trouble_s)
        plan.wishes.append(wish)
        if wish.idempotency_key is not None and random.random() < 0.4:
            # Somebody asks for the same at about the same time.
            again = Wish(**{**vars(wish), "outcomes": []})
            again.at_s += random.random() * 0.1
            plan.wishes.append(again)
        if wish.service == WORKFLOW:
            click = plan.programs.click()
            at_s = wish.at_s + random.random() * 2
            plan.wishes.append(Wish(WORKFLOW, "click", wish.key, click, at_s))


def _wish(programs: Programs, random: Random, number: int, at_s: float) -> Wish:
    chance = random.random()
    idempotency_key = f"i{number}" if random.random() < 0.4 else None
    more = {
        "idempotency_key": idempotency_key,
        "delay_ms": random.choice((0, 0, 0, 400, 2000)),
        "wait": random.random() < 0.8,
    }
    if chance < 0.3:
        handler = "run" if idempotency_key or random.random() < 0.5 else "brief"
        return Wish(SERVICE, handler, "", programs.service(), at_s, **more)  # type: ignore[arg-type]
    if chance < 0.65:
        key = random.choice(OBJECT_KEYS)
        return Wish(OBJECT, "write", key, programs.exclusive(key), at_s, **more)  # type: ignore[arg-type]
    if chance < 0.75:
        key = random.choice(WILD_KEYS)
        program = programs.exclusive(key, wild=True)
        return Wish(OBJECT, "write", key, program, at_s, **more)  # type: ignore[arg-type]
    if chance < 0.82:
        key = random.choice(OBJECT_KEYS)
        return Wish(OBJECT, "look", key, programs.shared(), at_s, **more)  # type: ignore[arg-type]
    key = f"wf{number}"
    return Wish(WORKFLOW, "run", key, programs.workflow(key), at_s)
