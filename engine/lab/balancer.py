"""An engine in a node of the lab, with its sockets, its log, and bngctl for it, as the demo and the tests use it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import engine
from engine.lab.namespaces import LabError
from engine.lab.topology import command_environment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.lab.topology import Lab

READY_TIMEOUT_S = 30.0
"""For the engine's first round of checks; it takes about two seconds on an idle machine."""

STOP_TIMEOUT_S = 10.0


def entry(module: str) -> list[str]:
    """Return the beginning of a command line that runs `main` of a module, installed or in a checkout."""
    return [sys.executable, "-P", "-c", f"from {module} import main; raise SystemExit(main())"]


def sample_config(name: str) -> Path:
    """Return a sample configuration: inside the package where installed, beside it in a checkout."""
    package = Path(engine.__file__).resolve().parent
    for folder in (package, package.parent):
        if (path := folder / "sample_configs" / name).exists():
            return path
    raise LabError(f"sample_configs/{name} is missing: reinstall the project")


def _own(config: Path, directory: Path) -> Path:
    """Return a copy of a sample in `directory`, other files as they are: the engine writes operators' changes to its file."""
    if config.parent.name != "sample_configs":
        return config
    copy = directory / config.name
    if not copy.exists():
        copy.write_bytes(config.read_bytes())
    return copy


class Balancer:
    """One running engine; `directory` takes its sockets (`run`), its state (`state`) and its log (`engine.log`)."""

    def __init__(
        self, lab: Lab, directory: Path, config: Path, *, node: str = "lb", options: Sequence[str] = ()
    ) -> None:
        self.run_dir = directory / "run"
        self.state_dir = directory / "state"
        self.log = directory / "engine.log"
        directory.mkdir(parents=True, exist_ok=True)  # a second engine may go on where the first ended
        self.config = _own(config, directory)
        with self.log.open("ab") as log:
            # A session of its own: an interrupt at the terminal is for the lab's owner, which then stops the engine.
            self.process: subprocess.Popen[Any] = lab.popen(
                node,
                [
                    *(*entry("engine.cli"), "run", str(self.config), *options),
                    *("--run-dir", str(self.run_dir), "--state-dir", str(self.state_dir)),
                ],
                tied=True,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=command_environment(),
                start_new_session=True,
            )

    def log_text(self) -> str:
        """Return what the engine logged so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def log_tail(self, lines: int = 30) -> str:
        """Return the end of the engine's log."""
        return "\n".join(self.log_text().splitlines()[-lines:])

    def _ctl(self, args: Sequence[str]) -> subprocess.Popen[str]:
        # The sockets are files, so bngctl reaches them from any network namespace.
        return subprocess.Popen(  # noqa: S603 - this project's own command
            [*entry("bngtui.ctl"), "--run-dir", str(self.run_dir), *args],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=command_environment(),
        )

    def ctl(self, *args: str, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
        """Run bngctl with these arguments to its end; raises TimeoutExpired."""
        with self._ctl(args) as child:
            try:
                out, err = child.communicate(timeout=timeout_s)
            except BaseException:
                child.kill()
                raise
        return subprocess.CompletedProcess(list(args), child.returncode, out, err)

    def json(self, *args: str) -> Any:
        """Run `bngctl --json` and return what it prints; LabError where it fails."""
        done = self.ctl("--json", *args)
        if done.returncode:
            raise LabError(f"bngctl {' '.join(args)}: status {done.returncode}: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def wait_ready(self, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Wait until its first round of checks is over; LabError, with the end of the log, if it exits or takes longer."""
        with self._ctl(("wait-ready", "--timeout", str(timeout_s))) as waiting:
            try:
                deadline = time.monotonic() + timeout_s + 10  # its own patience comes first
                while waiting.poll() is None and self.process.poll() is None and time.monotonic() < deadline:
                    time.sleep(0.02)
            finally:
                if waiting.poll() is None:
                    waiting.terminate()
                _, said = waiting.communicate()
        if self.process.poll() is not None:
            raise LabError(f"the engine ended with status {self.process.returncode}:\n{self.log_tail()}")
        if waiting.returncode:
            raise LabError(f"the engine did not become ready: {said.strip()}\n{self.log_tail()}")

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """Stop it as a service manager would and return its exit status; one that hangs is killed, and TimeoutExpired raised."""
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        try:
            return self.process.wait(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
