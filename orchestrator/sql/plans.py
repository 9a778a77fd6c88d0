"""What the plan of a query says of the rows that it needs of each table.

DataFusion hands tables only such filters as it can write for PyArrow: lists of texts and LIKE are
not among them, nor is what is sorted by. The optimized plan has them all. What is not understood
for certain is left out: then more rows are read, never fewer; DataFusion filters, sorts and cuts
what was read.
"""

import logging
import re
from collections import Counter
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

logger = logging.getLogger("perdure.sql")
_NAMED = re.compile(r"\w\"?\.\"?(\w+)")  # perhaps also what is within a text
_NAMES_ID = re.compile(r"\bid\b")
_FIRST_ID = re.compile(
    r"first_value\((?:\w+\.)?id\) ORDER BY \[(?:\w+\.)?(\w+) (ASC|DESC) NULLS \w+\]"
)
_SCANNED = re.compile(r"TableScan: (\w+) ")


class Top(NamedTuple):
    """Of the rows that pass the filters only the first `limit` by a column are wanted, or any if
    that is ""."""

    column: str
    relation: str  # table or alias that the column is of
    descending: bool
    limit: int


class FirstId(NamedTuple):
    """Of ids only that of the first row by a column is wanted, in each group of equal values of
    other columns."""

    column: str
    descending: bool
    groups: frozenset[str]


class Hint(NamedTuple):
    """Of a table that is scanned once. `pins`: the only values that columns may have; `excluded`:
    values they may not have; `filtered`: the columns of the filters that DataFusion hands to the
    table; `more`: others, by the column they are about."""

    pins: dict[str, set[str]]
    excluded: dict[str, set[str]]
    filtered: frozenset[str]
    more: list[tuple[str, pc.Expression]]
    top: Top | None
    first_id: FirstId | None


def hints_of(plan: Any) -> dict[str, Hint]:
    """By table. A table that is scanned more than once has none."""
    found: dict[str, Hint] = {}
    try:
        _visit(plan, None, [], found)
    except Exception:  # a plan that is not understood is read without hints
        logger.warning("a plan was not understood", exc_info=True)
        return {}
    counts = Counter(_SCANNED.findall(plan.display_indent()))  # subqueries too
    return {table: hint for table, hint in found.items() if counts[table] == 1}


def _node(part: Any) -> Any:
    """A part of a plan as the class of its kind; None of those that the library has none for."""
    try:
        return part.to_variant()
    except Exception:  # noqa: BLE001 the library raises bare exceptions
        return None


def _visit(
    plan: Any, top: Top | FirstId | None, filters: list[Any], found: dict[str, Hint]
) -> None:
    node = _node(plan)
    kind = type(node).__name__
    inputs = plan.inputs()
    if kind == "TableScan":
        found[node.table_name()] = _hint(node, top, filters)
    elif kind == "Filter":
        _visit(inputs[0], top, [*filters, *_conjuncts(node.predicate())], found)
    elif kind == "SubqueryAlias":
        _visit(inputs[0], top, filters, found)
    elif kind == "Sort":
        _visit(inputs[0], _top_of(node), [], found)
    elif kind == "Limit":
        _visit(inputs[0], _any_of(node), [], found)
    elif kind == "Aggregate":
        _visit(inputs[0], _first_id(node), [], found)
    elif kind == "Projection":
        # A filter above one may name what is computed there.
        passed = None if filters or isinstance(top, FirstId) else _through(node, top)
        _visit(inputs[0], passed, [], found)
    elif kind == "Join" and str(node.join_type()) == "Left":
        # Each row of the left side gives one at least.
        left = None if filters or isinstance(top, FirstId) else _of_left(node, top)
        _visit(inputs[0], left, [], found)
        _visit(inputs[1], None, [], found)
    else:
        for each in inputs:
            _visit(each, None, [], found)


def _top_of(sort: Any) -> Top | None:
    count = sort.get_fetch_val()
    first = sort.sort_exprs()[0]
    named = _sorted_by(first.expr())
    return None if count is None or named is None else Top(*named, not first.ascending(), count)


def _first_id(aggregate: Any) -> FirstId | None:
    """If that is all that is done with ids."""
    groups = [_column(each) for each in aggregate.group_by_exprs()]
    texts = [each.canonical_name() for each in aggregate.aggregate_exprs()]
    about_ids = [text for text in texts if _NAMES_ID.search(text)]
    wanted = {found.groups() for each in about_ids if (found := _FIRST_ID.fullmatch(each))}
    if None in groups or len(wanted) != 1 or not all(map(_FIRST_ID.fullmatch, about_ids)):
        return None
    ((column, order),) = wanted
    return FirstId(column, order == "DESC", frozenset(filter(None, groups)))


def _any_of(limit: Any) -> Top | None:
    counts = [_count(each) for each in (limit.skip(), limit.fetch()) if each is not None]
    if limit.fetch() is None or None in counts:
        return None
    return Top("", "", False, sum(count for count in counts if count is not None))


def _count(expression: Any) -> int | None:
    if expression.variant_name() != "Literal":
        return None
    value = _value(expression)
    return value if isinstance(value, int) else None


def _sorted_by(expression: Any) -> tuple[str, str] | None:
    """A column and what it is of."""
    column = _column(expression)
    return None if column is None else (column, _node(expression).relation() or "")


def _through(projection: Any, top: Top | None) -> Top | None:
    """The same below a projection, which may have renamed the column."""
    if top is None or not top.column:
        return top
    for expression in projection.projections():
        node = _node(expression)
        if type(node).__name__ == "Alias":
            if node.alias() == top.column:
                named = _sorted_by(node.expr())
                return named and Top(*named, top.descending, top.limit)
        elif _column(expression) == top.column:
            return top
    return None


def _of_left(join: Any, top: Top | None) -> Top | None:
    """If what is sorted by is a column of the left side for certain."""
    if top is None or not top.column:
        return top
    if top.relation in _relations(join.right()):
        return None
    return top if top.relation in _relations(join.left()) else None


def _relations(plan: Any) -> set[str]:
    """The names by which columns of a plan may be told."""
    node = _node(plan)
    kind = type(node).__name__
    if kind == "SubqueryAlias":
        return {str(node.alias())}
    if kind == "TableScan":
        return {str(node.table_name())}
    return {name for each in plan.inputs() for name in _relations(each)}


def _hint(scan: Any, top: Top | FirstId | None, filters: list[Any]) -> Hint:
    pins: dict[str, set[str]] = {}
    excluded: dict[str, set[str]] = {}
    handed = [each for one in scan.filters() for each in _conjuncts(one)]
    for each in (*handed, *filters):
        pinned = _pinned(each)
        if pinned is not None:
            column, values = pinned
            pins[column] = pins[column] & values if column in pins else values
        elif (other := _compared(each, "!=")) is not None:
            excluded.setdefault(other[0], set()).add(other[1])
    more = [written for each in filters if (written := _written(each)) is not None]
    # The first of what passes only some of the filters are not the first of what passes all.
    named = frozenset(name for each in handed for name in _NAMED.findall(str(each)))
    first = top if len(more) == len(filters) else None
    if isinstance(first, FirstId):
        return Hint(pins, excluded, named, more, None, first)
    return Hint(pins, excluded, named, more, first, None)


def _conjuncts(expression: Any) -> list[Any]:
    node = _node(expression)
    if type(node).__name__ == "BinaryExpr" and node.op() == "AND":
        return [*_conjuncts(node.left()), *_conjuncts(node.right())]
    return [expression]


def _pinned(expression: Any) -> tuple[str, set[str]] | None:
    """The column and the only texts with which it can pass."""
    node = _node(expression)
    if type(node).__name__ == "InList":
        column, values = _column(node.expr()), _texts(node.list())
        return None if node.negated() or column is None or values is None else (column, values)
    equal = _compared(expression, "=")
    if equal is not None:
        return equal[0], {equal[1]}
    if type(node).__name__ == "BinaryExpr" and node.op() == "OR":
        left, right = _pinned(node.left()), _pinned(node.right())
        if left is not None and right is not None and left[0] == right[0]:
            return left[0], left[1] | right[1]
    return None


def _compared(expression: Any, operator: str) -> tuple[str, str] | None:
    """A column and the text it is compared with."""
    node = _node(expression)
    if type(node).__name__ != "BinaryExpr" or node.op() != operator:
        return None
    column, values = _column(node.left()), _texts([node.right()])
    return None if column is None or values is None else (column, values.pop())


def _written(expression: Any) -> tuple[str, pc.Expression] | None:
    """The filter for PyArrow, which keeps the very rows that SQL keeps."""
    node = _node(expression)
    kind = type(node).__name__
    if kind not in ("InList", "Like") or (column := _column(node.expr())) is None:
        return None
    field = pc.field(column)
    texts = _texts(node.list() if kind == "InList" else [node.pattern()])
    if texts is None:
        return None
    if kind == "InList":
        passes = field.isin(pa.array(sorted(texts), pa.large_string()))
    else:
        (pattern,) = texts
        if node.escape_char() or "\\" in pattern:
            return None
        passes = pc.match_like(field, pattern)
    return column, ~passes & field.is_valid() if node.negated() else passes


def _column(expression: Any) -> str | None:
    node = _node(expression)
    return str(node.name()) if type(node).__name__ == "Column" else None


def _value(literal: Any) -> Any:
    value = literal.python_value()  # of LargeUtf8 an Arrow scalar
    return value.as_py() if isinstance(value, pa.Scalar) else value


def _texts(expressions: list[Any]) -> set[str] | None:
    """The values of literal texts."""
    found = set()
    for each in expressions:
        if each.variant_name() != "Literal":
            return None
        value = _value(each)
        if not isinstance(value, str):
            return None
        found.add(value)
    return found or None
