"""Headers of the admin API that its clients look at."""

from typing import Final

MISSING_PARTITIONS: Final = "x-perdure-missing-partitions"  # of those that could not be read
API_VERSION: Final = "x-perdure-version"  # of the server, on every answer and attempt
JSON_TYPE: Final = "application/json"
