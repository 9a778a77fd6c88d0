"""What the demo does, step by step: start, submit, kill, restart, kill, restart, click, look."""

import asyncio
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from demo.running import Program, ask, free_port, wait_until
from orchestrator.cli.dev.broker import DevBroker

EMAIL = "ann@example.com"


class Story:
    """One run of the demo in a directory of its own."""

    def __init__(self, log: str, directory: Path) -> None:
        self._began_s = time.monotonic()
        self._steps = directory / "steps.log"
        self._effects = directory / "effects.log"
        self._log = log
        self._directory = directory
        self._ingress, self._admin, self._port = free_port(), free_port(), free_port()
        self._runner = asyncio.Runner()
        self._broker = DevBroker(directory / "kafka", free_port())
        self._server = self._make_server()
        self._service = Program(
            ["perdure", "demo/signup.py", "--port", str(self._port)],
            self._port,
            directory / "service.log",
            {"DEMO_STEPS": str(self._steps), "DEMO_EFFECTS": str(self._effects)},
        )

    def _make_server(self) -> Program:
        words = ["orchestrator.cli.main", "serve", "--data-dir", str(self._directory / "data")]
        words += ["--ingress", f"127.0.0.1:{self._ingress}", "--admin", f"127.0.0.1:{self._admin}"]
        if self._log == "kafka":
            words += ["--log", "kafka", "--kafka-bootstrap", self._broker.bootstrap]
        return Program(words, self._ingress, self._directory / "server.log", {})

    def say(self, text: str) -> None:
        print(f"{time.monotonic() - self._began_s:6.1f} s  {text}", flush=True)

    def tell(self) -> int:
        """Run it all; 0 if every side effect happened once."""
        try:
            self._start()
            return self._act()
        finally:
            self._service.kill()
            self._server.end()
            self._runner.run(self._broker.stop())
            self._runner.close()

    def _start(self) -> None:
        if self._log == "kafka":
            self.say("starting a Kafka broker (the first time its parts are downloaded)")
            self._runner.run(self._broker.start(self.say))
        self.say(f"starting the Perdure server on the {self._log} log")
        self._server.start()
        self.say("starting the sign-up service and registering it")
        self._service.start()
        uri = f"http://127.0.0.1:{self._port}"
        ask(f"http://127.0.0.1:{self._admin}/deployments", {"uri": uri})

    def _act(self) -> int:
        self.say(f"submitting the workflow: sign up {EMAIL}")
        ingress = f"http://127.0.0.1:{self._ingress}"
        invocation = ask(f"{ingress}/Signup/ann/run/send", EMAIL)["invocationId"]
        with ThreadPoolExecutor(1) as pool:
            attach = f"{ingress}/restate/invocation/{invocation}/attach"
            result = pool.submit(ask, attach)
            self._reached("send mail", 1)
            self._kill("in the middle of the step 'send mail'")
            self._reached("send mail", 2)
            self.say("the step 'send mail' runs again; 'create account' came from the journal")
            self._reached("wait for the click", 1)
            time.sleep(0.5)
            self._kill("while it waits for the click")
            self.say("ann clicks on the link in her mail")
            ask(f"{ingress}/Signup/ann/click", "the link")
            self.say(f"the workflow is done: {result.result()}")
        self._show_journal(invocation)
        return self._show_effects()

    def _reached(self, step: str, times: int) -> None:
        what = f"the step {step!r} has begun {times} times"
        wait_until(lambda: self._counts(self._steps)[step] >= times, what)

    def _kill(self, when: str) -> None:
        self.say(f"kill -9 of the service {when}")
        self._service.kill()
        time.sleep(0.5)
        self.say("starting the service again")
        self._service.start()

    @staticmethod
    def _counts(path: Path) -> Counter[str]:
        return Counter(path.read_text().splitlines() if path.exists() else [])

    def _show_journal(self, invocation: str) -> None:
        at = f"http://127.0.0.1:{self._admin}/perdure/v1/invocations/{invocation}/journal"
        print(f"\nThe journal of {invocation}:")
        for one in ask(at)["entries"]:
            name = (one["shown"] or {}).get("name", "")
            print(f"  {one['index']:>3}  {one['type']:<32} {name}")

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
