"""Makes the root of the image: `python root.py TARGET`, run by the environment it is for.

It holds the interpreter, its standard library, every shared library that these and the
environment load, certificates, and a user. The paths are those of the stage that builds.
"""

import compileall
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

USER = 10001
DATA = "var/lib/perdure"
TOP_LINKS = ("/lib", "/lib64", "/bin", "/sbin")  # links into /usr on a merged system
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
UNUSED = shutil.ignore_patterns(
    *("site-packages", "dist-packages", "__pycache__", "config-3*", "*.a"),
    *("test", "tests", "idlelib", "ensurepip", "tkinter", "turtledemo", "lib2to3", "pydoc_data"),
    # Modules for terminals and databases, each with shared libraries of its own.
    *("curses", "_curses*", "readline.*", "dbm", "_dbm.*", "_gdbm.*", "sqlite3", "_sqlite3.*"),
    *("nis.*", "_tkinter.*"),
)


def libraries_of(binaries: list[Path]) -> set[str]:
    """Paths of the shared libraries that the loader finds for them, and of the loader."""
    found = set()
    for binary in binaries:
        said = subprocess.run(["ldd", str(binary)], capture_output=True, text=True, check=False)
        for word in said.stdout.split():
            if word.startswith("/"):
                found.add(word)
    return found


def copy(path: str, target: Path) -> None:
    """The file at `path` with what it points to, at the same place below `target`."""
    here = Path(path)
    place = target / Path(os.path.realpath(here.parent)).relative_to("/") / here.name
    if place.exists() or place.is_symlink():
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    if here.is_symlink():
        points_to = os.readlink(here)
        place.symlink_to(points_to)
        copy(os.path.join(here.parent, points_to), target)
    else:
        shutil.copy2(here, place)


def main(target: Path) -> None:
    target.mkdir()
    for link in filter(os.path.islink, TOP_LINKS):
        (target / link[1:]).symlink_to(os.readlink(link))
        (target / os.readlink(link).lstrip("/")).mkdir(parents=True, exist_ok=True)
    interpreter = os.readlink(Path(sys.prefix) / "bin" / "python3")
    copy(interpreter, target)
    library = Path(sysconfig.get_path("stdlib"))
    place = target / library.relative_to("/")
    shutil.copytree(library, place, ignore=UNUSED, symlinks=True)
    compileall.compile_dir(place, quiet=1, stripdir=str(target), prependdir="/")
    environment = Path(sys.prefix)
    modules = [*place.rglob("*.so"), *environment.rglob("*.so*")]
    for path in libraries_of([Path(interpreter), *modules]):
        if not path.startswith(str(environment)):
            copy(path, target)
    copy(CERTIFICATES, target)
    etc = target / "etc"
    (etc / "passwd").write_text(f"perdure:x:{USER}:{USER}::/{DATA}:/nonexistent\n")
    (etc / "group").write_text(f"perdure:x:{USER}:\n")
    (etc / "nsswitch.conf").write_text("hosts: files dns\n")
    shutil.copytree("/etc/ld.so.conf.d", etc / "ld.so.conf.d")
    shutil.copy2("/etc/ld.so.conf", etc)
    subprocess.run(["ldconfig", "-r", str(target)], check=True)
    (target / "tmp").mkdir()
    (target / "tmp").chmod(0o1777)
    (target / DATA).mkdir(parents=True)
    os.chown(target / DATA, USER, USER)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
