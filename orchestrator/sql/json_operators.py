"""JSON in the text of a query: `a -> 'b'`, `a ->> 'b'`, `a ? 'b'` and calls with any number of
keys become calls of functions that DataFusion can be given: see `json_functions`.

Left of an operator stands a name, a literal, a call or what is in parentheses, perhaps with a cast
or an index behind it, or another such operator; right of it the same. Texts, quoted names and
comments are left alone. What is not understood stays as it is, so that DataFusion refuses it.
"""

import re
from typing import Final, NamedTuple

from orchestrator.sql.json_functions import JSON_FUNCTIONS, KEYS_MAX

_OPERATORS: Final = {"->>": "json_as_text", "->": "json_get", "?": "json_contains"}
_TOKEN = re.compile(
    r"\s+|--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|->>|->|::|\d+(?:\.\d+)?"
    r"|[^\W\d]\w*|.",
    re.S,
)
_IS_SPACE = re.compile(r"\s|--|/\*")
_IS_USED = re.compile(r"->|\?|json_", re.I)
_IS_WORD = re.compile(r"[^\W\d]\w*|\"")
_CLOSED: Final = {")": "(", "]": "["}
_NO_OPERAND = re.compile(
    r"(?:select|where|and|or|not|on|by|having|when|then|else|in|like|between|from|case|is)\Z", re.I
)


class Piece(NamedTuple):
    """A token, or tokens that were put together, with what is blank before it."""

    blank: str
    text: str


def with_json(sql: str) -> str:
    """The query with calls in the place of operators."""
    if not _IS_USED.search(sql):
        return sql
    pieces, end = _pieces(sql)
    pieces = _numbered(_called(pieces))
    return "".join(piece.blank + piece.text for piece in pieces) + end


def _pieces(sql: str) -> tuple[list[Piece], str]:
    found: list[Piece] = []
    blank = ""
    for token in _TOKEN.findall(sql):
        if _IS_SPACE.match(token):
            blank += token
        else:
            found.append(Piece(blank, token))
            blank = ""
    return found, blank


def _called(pieces: list[Piece]) -> list[Piece]:
    """Operators as calls, from the left to the right."""
    done: list[Piece] = []
    rest = pieces[::-1]
    while rest:
        piece = rest.pop()
        if piece.text not in _OPERATORS:
            done.append(piece)
            continue
        left = _start_of_operand(done)
        right = _end_of_operand(rest)
        if left == len(done) or right == len(rest):
            done.append(piece)
            continue
        operand = done[left:]
        key = _called(rest[right:][::-1])
        del done[left:], rest[right:]
        done.append(Piece(operand[0].blank, _OPERATORS[piece.text]))
        done.append(Piece("", "("))
        done += [Piece("", operand[0].text), *operand[1:], Piece("", ","), *key, Piece("", ")")]
    return done


def _start_of_operand(pieces: list[Piece]) -> int:
    """Where the operand begins that ends the pieces; their number if there is none."""
    at = len(pieces)
    while at > 0:
        text = pieces[at - 1].text
        if text in _CLOSED:
            at = _opening(pieces, at - 1)
            if at > 0 and _is_name(pieces[at - 1].text):
                at -= 1  # a call, or what an index is of
        elif _is_name(text) or _is_literal(text):
            at -= 1
        else:
            return len(pieces)
        if at > 0 and pieces[at - 1].text in (".", "::"):
            at -= 1
            continue
        return at
    return len(pieces)


def _opening(pieces: list[Piece], closing: int) -> int:
    depth = 0
    for at in range(closing, -1, -1):
        text = pieces[at].text
        depth += (text in _CLOSED) - (text in _CLOSED.values())
        if depth == 0:
            return at
    return 0


def _end_of_operand(rest: list[Piece]) -> int:
    """The same of the pieces to come, which are in reverse order."""
    at = len(rest)
    if at and rest[at - 1].text in _CLOSED.values():
        return _closing(rest, at - 1)
    if not at or not (_is_name(rest[at - 1].text) or _is_literal(rest[at - 1].text)):
        return len(rest)
    at -= 1
    while at > 1 and rest[at - 1].text == "." and _is_name(rest[at - 2].text):
        at -= 2
    if at and rest[at - 1].text == "(":
        at = _closing(rest, at - 1)
    return at


def _closing(rest: list[Piece], opening: int) -> int:
    depth = 0
    for at in range(opening, -1, -1):
        text = rest[at].text
        depth += (text in _CLOSED.values()) - (text in _CLOSED)
        if depth == 0:
            return at
    return len(rest)


def _is_name(text: str) -> bool:
    return bool(_IS_WORD.match(text)) and not _NO_OPERAND.match(text)


def _is_literal(text: str) -> bool:
    return text[:1] == "'" or text[:1].isdigit()


def _numbered(pieces: list[Piece]) -> list[Piece]:
    """Calls of these functions by the names that tell how many keys they are given."""
    found = list(pieces)
    for at, piece in enumerate(found[:-1]):
        name = piece.text.lower()
        if name in JSON_FUNCTIONS and found[at + 1].text == "(":
            count = _commas(found, at + 1)
            if count is not None and count <= KEYS_MAX:
                found[at] = Piece(piece.blank, f"{name}_{count}")
    return found


def _commas(pieces: list[Piece], opening: int) -> int | None:
    """Of the arguments of a call; None if it does not end."""
    depth = count = 0
    for piece in pieces[opening:]:
        depth += (piece.text in _CLOSED.values()) - (piece.text in _CLOSED)
        if depth == 0:
            return count
        count += piece.text == "," and depth == 1
    return None
