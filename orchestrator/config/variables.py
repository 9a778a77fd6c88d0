"""Variables that are no settings: where the settings are, and what the command line asks."""

from typing import Final

FILE_VARIABLE: Final = "PERDURE_CONFIG"
URL_VARIABLE: Final = "PERDURE_URL"  # the admin API that commands ask
PROFILE_VARIABLE: Final = "PERDURE_PROFILE"  # or a profile that names it
