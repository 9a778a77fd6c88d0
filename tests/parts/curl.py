"""Stands in for curl where there is none, or an old one: a GET, or a POST with `--json`."""

from __future__ import annotations

import argparse
import sys
from urllib.parse import urlsplit

from tests.parts.client import http_request


def main() -> None:
    parser = argparse.ArgumentParser(prog="curl")
    parser.add_argument("url")
    parser.add_argument("--json")
    flags = parser.parse_args()
    parts = urlsplit(flags.url)
    method, body, headers = "GET", None, {"accept": "application/json"}
    if flags.json is not None:
        method, body = "POST", flags.json.encode()
        headers["content-type"] = "application/json"
    sys.stdout.write(http_request(parts.netloc, method, parts.path, body, headers).text)


if __name__ == "__main__":
    main()
