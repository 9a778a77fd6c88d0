"""Removes from an environment what the server never loads: `python3 trim.py ENVIRONMENT`."""

import shutil
import subprocess
import sys
from pathlib import Path

# Below site-packages: parts of Arrow that queries do not use, sources, headers, tests.
UNUSED = (
    "pyarrow/libarrow_flight.so*",
    "pyarrow/libarrow_python_flight.so*",
    "pyarrow/_flight*",
    "pyarrow/libarrow_s3.so*",
    "pyarrow/_s3fs*",
    "pyarrow/_pyarrow_cpp_tests*",
    "pyarrow/include",
    "pyarrow/src",
    "pyarrow/tests",
    # Names that only a linker asks for.
    "pyarrow/*.so.2*.*.*",
    "pyarrow/libarrow_python*.so",
    "**/*.c",
    "**/*.cpp",
    "**/*.h",
    "**/*.pyx",
    "**/*.pxd",
    "**/*.pxi",
    "**/*.pyi",
)


# The APIs of AWS that functions and the credentials for them are called by; botocore knows 400.
APIS = ("lambda", "signin", "sso", "sso-oidc", "sts")


def main(environment: Path) -> None:
    for site in environment.glob("lib/python3*/site-packages"):
        for pattern in UNUSED:
            for found in list(site.glob(pattern)):
                if found.is_dir():
                    shutil.rmtree(found)
                else:
                    found.unlink(missing_ok=True)
        for api in site.glob("botocore/data/*/"):
            if api.name not in APIS:
                shutil.rmtree(api)
        libraries = [str(path) for path in site.rglob("*.so*")]
        subprocess.run(["strip", "--strip-unneeded", *libraries], check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
