"""Status lines of HTTP/1.1, made once."""

from http import HTTPStatus


def _line(code: int) -> bytes:
    if code == 470:
        phrase = "Not Ready"
    else:
        phrase = HTTPStatus(code).phrase if code in HTTPStatus._value2member_map_ else ""
    return f"HTTP/1.1 {code} {phrase}\r\n".encode()


STATUS_LINES = {code: _line(code) for code in range(100, 1000)}
