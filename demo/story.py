"""What the demo does, step by step: start, submit, kill, restart, kill, restart, click, look."""

import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.parts.client import Client, in_background
from tests.parts.kafka import KafkaBroker
from tests.parts.processes import Process, free_port, port_open, wait_until
from tests.parts.server import PerdureServer
from tests.parts.server_options import ServerOptions

EMAIL = "ann@example.com"
TARGET = ("Signup", "ann", "run")
WAIT_S = 30.0


class Story:
    """One run of the demo in a directory of its own."""

    def __init__(self, log: str, directory: Path) -> None:
        self._began_s = time.monotonic()
        self._steps = directory / "steps.log"
        self._effects = directory / "effects.log"
        self._log = log
        self._directory = directory
        self._broker: KafkaBroker | None = None
        self._server: Any = None
        self._service = self._make_service()

    def _make_service(self) -> Process:
        port = free_port()
        self._uri = f"http://127.0.0.1:{port}"
        self._port = port
        command = [sys.executable, "-m", "hypercorn", "demo.signup:app"]
        command += ["--bind", f"127.0.0.1:{port}"]
        env = {
            "DEMO_STEPS": str(self._steps),
            "DEMO_EFFECTS": str(self._effects),
            "RESTATE_CORE_LOG": "error",
            "PYTHONHASHSEED": "0",
        }
        root = Path(__file__).resolve().parents[1]
        return Process("signup-service", command, env, cwd=root, log_dir=self._directory)

    def say(self, text: str) -> None:
        print(f"{time.monotonic() - self._began_s:6.1f} s  {text}", flush=True)

    def tell(self) -> int:
        """Run it all; 0 if every side effect happened once."""
        try:
            self._start()
            return self._act()
        finally:
            self._service.kill()
            if self._server is not None:
                self._server.stop()
            if self._broker is not None:
                self._broker.stop()

    def _start(self) -> None:
        bootstrap = None
        if self._log == "kafka":
            self.say("starting a Kafka broker (the first time its parts are downloaded)")
            self._broker = KafkaBroker(self._directory / "kafka").start()
            bootstrap = self._broker.bootstrap
        self.say(f"starting the Perdure server on the {self._log} log")
        options = ServerOptions(log=self._log, kafka_bootstrap=bootstrap)
        self._server = PerdureServer(self._directory, options)
        self._server.start()
        self._client = Client(self._server.ingress, self._server.admin)
        self.say("starting the sign-up service and registering it")
        self._start_service()
        self._client.register(self._uri)

    def _start_service(self) -> None:
        self._service.start()
        self._service.wait_ready(lambda: port_open(self._port), WAIT_S)

    def _act(self) -> int:
        self.say(f"submitting the workflow: sign up {EMAIL}")
        invocation = self._client.send(TARGET, EMAIL)
        result = in_background(lambda: self._client.attach(invocation, 120.0))
        self._reached("send mail", 1)
        self._kill("in the middle of the step 'send mail'")
        self._reached("send mail", 2)
        self.say("the step 'send mail' runs again; 'create account' came from the journal")
        self._reached("wait for the click", 1)
        time.sleep(0.5)
        self._kill("while it waits for the click")
        self.say("ann clicks on the link in her mail")
        self._client.post(("Signup", "ann", "click"), "the link").expect(200)
        reply = result.result(WAIT_S).expect(200)
        self.say(f"the workflow is done: {reply.json()}")
        self._show_journal(invocation)
        return self._show_effects()

    def _reached(self, step: str, times: int) -> None:
        def reached() -> bool:
            return self._counts(self._steps)[step] >= times

        wait_until(reached, WAIT_S, f"the step {step!r} has begun {times} times")

    def _kill(self, when: str) -> None:
        self.say(f"kill -9 of the service {when}")
        self._service.kill()
        time.sleep(0.5)
        self.say("starting the service again")
        self._start_service()

    @staticmethod
    def _counts(path: Path) -> Counter[str]:
        return Counter(path.read_text().splitlines() if path.exists() else [])

    def _show_journal(self, invocation: str) -> None:
        rows = self._client.query(
            f"SELECT index, entry_type, name FROM sys_journal WHERE id = '{invocation}' "
            "ORDER BY index"
        )
        print(f"\nThe journal of {invocation}:")
        for row in rows:
            print(f"  {row['index']:>3}  {row['entry_type']:<32} {row.get('name') or ''}")

    def _show_effects(self) -> int:
        print("\nWhat happened in the world, and how often:")
        effects = self._counts(self._effects)
        for effect, times in effects.items():
            print(f"  {times} x  {effect}")
        began = self._counts(self._steps)["send mail"]
        once = len(effects) == 3 and set(effects.values()) == {1}
        print(f"\nThe step that was killed was begun {began} times; ", end="")
        print("every side effect happened once." if once else "BUT NOT EVERY EFFECT HAPPENED ONCE.")
        return 0 if once else 1
