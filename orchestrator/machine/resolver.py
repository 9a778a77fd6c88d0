"""The unresolved part of a large future: updated with the result of one leaf at a time.

It gives at any time what evaluating the whole future would give.
"""

from collections.abc import Callable

from orchestrator.model.values import FAILURE, SUCCESS, Future

PENDING = 0
EITHER = 3  # done, success or failure unknown
FIRST_COMPLETED = 1  # with it, and with 0, which means that nothing is known, one leaf is enough

Leaf = int | str  # completion id, -1 - signal index, or name of a signal


def signal_leaf(index: int, name: str) -> Leaf:
    return -1 - index if index else name


def result_of(combinator: int, counts: list[int], first: int) -> int:
    """The result of a combinator, from the numbers of its children that are PENDING, SUCCESS,
    FAILURE and EITHER, and from the result of the first child in order that is done."""
    match combinator:
        case 1:
            return first
        case 2:  # ALL_COMPLETED
            return PENDING if counts[PENDING] else SUCCESS
        case 3:  # FIRST_SUCCEEDED_OR_ALL_FAILED
            return _decisive(counts, SUCCESS, FAILURE)
        case 4:  # ALL_SUCCEEDED_OR_FIRST_FAILED
            return _decisive(counts, FAILURE, SUCCESS)
        case _:
            return EITHER if any(counts[1:]) else PENDING


def _decisive(counts: list[int], decides: int, otherwise: int) -> int:
    """`decides` as soon as one child has that result; `otherwise` once all children have the
    other."""
    if counts[decides]:
        return decides
    if counts[EITHER]:
        return EITHER
    return PENDING if counts[PENDING] else otherwise


class _Node:
    """One combinator: the results of its children, counted."""

    __slots__ = ("_counts", "_first", "_parent", "_place", "_results", "combinator", "value")

    def __init__(self, combinator: int, size: int, parent: "_Node | None", place: int) -> None:
        self.combinator = combinator
        self._parent = parent
        self._place = place  # among the parent's children
        self._results = bytearray(size)
        self._counts = [size, 0, 0, 0]
        self._first = size  # the first child, in their order, that is done
        self.value = self._decide()
        if parent is not None:
            parent.tell(place, self.value)

    def tell(self, place: int, result: int) -> None:
        before = self._results[place]
        if result == before:
            return
        self._results[place] = result
        self._counts[before] -= 1
        self._counts[result] += 1
        if result != PENDING:
            self._first = min(self._first, place)
        elif place == self._first:  # a signal that came again took its success back
            self._first = len(self._results) - len(self._results.lstrip(b"\0"))
        value = self._decide()
        if value != self.value:
            self.value = value
            if self._parent is not None:
                self._parent.tell(self._place, value)

    def _decide(self) -> int:
        is_first = self._first < len(self._results)
        first = self._results[self._first] if is_first else PENDING
        return result_of(self.combinator, self._counts, first)


class FutureResolver:
    """A future and the results of its leaves so far. `look` gives the result of a leaf as it is
    now."""

    __slots__ = ("_places", "_root", "future")

    def __init__(self, future: Future, look: Callable[[Leaf], int]) -> None:
        self.future = future
        self._places: dict[Leaf, list[tuple[_Node, int]]] = {}
        self._root = self._build(future, None, 0)
        for leaf in self._places:
            self.tell(leaf, look(leaf))

    @property
    def size(self) -> int:
        return len(self._places)

    @property
    def is_resolved(self) -> bool:
        return self._root.value != PENDING

    def tell(self, leaf: Leaf, result: int) -> None:
        """The result of a leaf; once it is done it stays done."""
        for node, place in self._places.get(leaf, ()):
            node.tell(place, result)

    def _build(self, future: Future, parent: _Node | None, place: int) -> _Node:
        leaves = leaves_of(future)
        size = len(leaves) + len(future.nested)
        node = _Node(future.combinator, size, parent, place)
        for number, leaf in enumerate(leaves):
            self._places.setdefault(leaf, []).append((node, number))
        for number, nested in enumerate(future.nested, len(leaves)):
            self._build(nested, node, number)
        return node


def leaves_of(future: Future) -> list[Leaf]:
    """The leaves of one combinator, in the order in which they count."""
    leaves: list[Leaf] = [*future.completions]
    leaves += [signal_leaf(index, "") for index in future.signals]
    return [*leaves, *future.names]
