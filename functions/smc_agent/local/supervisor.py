"""Starts parts in order, restarts those that die, stops them in reverse; nothing outlives it."""

import asyncio
import contextlib
import ctypes
import os
import pwd
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .joined_log import JoinedLog

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # seconds between the death of a part and its restart; doubling
HEALTHY_SECONDS = 60.0  # a part that lived this long starts again with the first pause
PR_SET_PDEATHSIG = 1  # linux/prctl.h

Ready = Callable[[], Awaitable[None]]
"""Returns when the part serves; raises NotReady with the reason when it does not yet."""


class NotReady(Exception):
    """A part does not serve yet; the message says what was tried and what came back."""


class StartError(Exception):
    """A part did not start; the message names it, why, and shows its last lines."""


@dataclass(frozen=True)
class Part:
    """A process to keep running. `env` is its whole environment; `ready` None: ready once started."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    ready: Ready | None = None
    after: tuple[str, ...] = ()  # parts that must be ready before it starts, and outlive it
    start_seconds: float = 60.0
    stop_seconds: float = 10.0
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL  # what the kernel sends it when the supervisor is killed
    user: str | None = None  # OS user, where it may not run as root
    listens_on: socket.socket | None = None  # given to the process under the same number


@dataclass
class Running:
    """What is known of a part now."""

    part: Part
    state: str = "waiting"  # starting, running, restarting, stopped
    pid: int | None = None
    identity: str | None = None  # of the process, so that a recycled pid is not taken for it
    started_at: float = 0.0  # epoch seconds
    restarts: int = 0
    process: asyncio.subprocess.Process | None = None
    reader: asyncio.Task[None] | None = None
    keeper: asyncio.Task[None] | None = None
    ready: asyncio.Event = field(default_factory=asyncio.Event)


class Supervisor:
    """Keeps parts running from `start` until `stop`; `on_change` is called after every change of a part's state."""

    def __init__(self, log: JoinedLog, on_change: Callable[[], None] = lambda: None) -> None:
        self.log = log
        self.parts: dict[str, Running] = {}
        self._on_change = on_change
        self._forced = False

    async def start(self, *parts: Part) -> None:
        """Start parts, each after those it names; returns when all are ready.

        Raises StartError at the first that fails; the others are left to `stop`.
        """
        for part in parts:
            unknown = [name for name in part.after if name not in self.parts and name not in {p.name for p in parts}]
            if unknown:
                raise ValueError(f"{part.name} waits for {unknown[0]}, which is no part")
            self.parts[part.name] = Running(part)
        starts = [asyncio.create_task(self._start(self.parts[part.name])) for part in parts]
        try:
            await asyncio.gather(*starts)
        except BaseException:
            for task in starts:
                task.cancel()
            await asyncio.gather(*starts, return_exceptions=True)
            raise

    async def stop(self) -> None:
        """Stop all parts, those that others need last; each gets its stop signal, then time, then SIGKILL."""
        for running in self.parts.values():
            if running.keeper:
                running.keeper.cancel()
        # One of them may be in the middle of a restart: only then is it known which process is to be stopped.
        await asyncio.gather(*(r.keeper for r in self.parts.values() if r.keeper), return_exceptions=True)
        left = dict(self.parts)
        while left:
            needed = {name for running in left.values() for name in running.part.after}
            last = [name for name in left if name not in needed] or list(left)
            await asyncio.gather(*(self._stop(left.pop(name)) for name in last))

    def force(self) -> None:
        """Kill what still runs, at once (the second Ctrl-C)."""
        self._forced = True
        for running in self.parts.values():
            self._kill(running)

    async def _start(self, running: Running) -> None:
        for name in running.part.after:
            await self.parts[name].ready.wait()
        await self._spawn(running)
        try:
            await self._until_ready(running)
        except StartError as error:
            lines = self.log.tail(running.part.name)
            shown = "".join(f"\n    {line}" for line in lines) or " It wrote nothing."
            raise StartError(f"{error}.{' Its last lines:' if lines else ''}{shown}") from None
        self.log.say(f"{running.part.name} is ready (pid {running.pid})")
        running.keeper = asyncio.create_task(self._keep(running))

    async def _spawn(self, running: Running) -> None:
        part = running.part
        self._set(running, "starting")
        try:
            running.process = await asyncio.create_subprocess_exec(
                *part.argv,
                env=dict(part.env),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C on the terminal reaches the supervisor alone; it stops them in order
                user=part.user,
                group=pwd.getpwnam(part.user).pw_gid if part.user else None,
                extra_groups=[] if part.user else None,
                preexec_fn=_die_with_parent(part.death_signal),
                pass_fds=(part.listens_on.fileno(),) if part.listens_on else (),
                limit=1 << 20,
            )
        except OSError as error:
            raise StartError(f"{part.name} cannot be started: {part.argv[0]}: {error.strerror}") from None
        running.pid, running.started_at = running.process.pid, time.time()
        running.identity = identity_of(running.pid)
        running.reader = asyncio.create_task(self._read(part.name, running.process))
        self._set(running, "starting")

    async def _until_ready(self, running: Running) -> None:
        part, process = running.part, running.process
        assert process is not None
        deadline, pause, reason = time.monotonic() + part.start_seconds, 0.02, "no answer"
        while True:
            if process.returncode is not None:
                await self._drain(running)
                raise StartError(f"{part.name} ended ({_how(process.returncode)}) before it was ready")
            try:
                if part.ready:
                    async with asyncio.timeout(5):
                        await part.ready()
                if process.returncode is None:  # else somebody else answered on its port
                    break
                continue
            except NotReady as error:
                reason = str(error)
            except TimeoutError:
                reason = "no answer within 5 s"
            if time.monotonic() > deadline:
                raise StartError(f"{part.name} was not ready within {part.start_seconds:g} s: {reason}")
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, 0.25)
        self._set(running, "running")
        running.ready.set()

    async def _keep(self, running: Running) -> None:
        name, pause = running.part.name, FIRST_PAUSE
        while True:
            assert running.process is not None
            code = await running.process.wait()
            await self._drain(running)
            if time.time() - running.started_at >= HEALTHY_SECONDS:
                pause = FIRST_PAUSE
            self.log.say(f"{name} ended ({_how(code)}); starts again in {pause:g} s")
            self._set(running, "restarting")
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
            running.restarts += 1
            try:
                await self._spawn(running)
                await self._until_ready(running)
                self.log.say(f"{name} is ready again (pid {running.pid})")
            except StartError as error:
                self.log.say(str(error))
                self._kill(running)

    async def _stop(self, running: Running) -> None:
        name, process = running.part.name, running.process
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGKILL if self._forced else running.part.stop_signal)
            try:
                async with asyncio.timeout(running.part.stop_seconds):
                    await process.wait()
            except TimeoutError:
                self.log.say(f"{name} did not stop within {running.part.stop_seconds:g} s; killed")
                self._kill(running)
                await process.wait()
            await self._drain(running)
        if running.state != "waiting":
            self._set(running, "stopped")

    def _kill(self, running: Running) -> None:
        if running.process is not None and running.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(running.process.pid, signal.SIGKILL)

    async def _read(self, name: str, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while True:
            try:
                line = await process.stdout.readline()
            except ValueError:  # longer than the reader's limit; the rest of it follows as further lines
                self.log.line(name, "[a line longer than 1 MiB was left out]")
                continue
            if not line:
                return
            self.log.line(name, line.decode(errors="replace"))

    async def _drain(self, running: Running) -> None:
        # A grandchild may hold the pipe open; its lines are not worth waiting for.
        if running.reader:
            # Not asyncio.wait_for: up to Python 3.11 it swallows a cancellation that comes just as the reader ends, and
            # `stop` would find the part started again.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await running.reader

    def _set(self, running: Running, state: str) -> None:
        running.state = state
        if state in ("restarting", "stopped"):
            running.pid = running.identity = None
        self._on_change()


def identity_of(pid: int) -> str | None:
    """What tells a process from a later one with the same pid: boot and start time.

    None where it does not run, or the system does not say (no /proc).
    """
    try:
        with open(f"/proc/{pid}/stat") as stat, open("/proc/sys/kernel/random/boot_id") as boot:
            after_name = stat.read().rpartition(")")[2].split()  # the name may hold blanks and parentheses
            if after_name[0] == "Z":
                return None
            return f"{boot.read().strip()}:{after_name[19]}"  # field 22 of proc(5)
    except (OSError, IndexError):
        return None


def end_left_over(processes: Mapping[str, tuple[int, str | None]], log: JoinedLog, seconds: float = 5.0) -> None:
    """End parts that outlived a killed supervisor; `processes`: {name: (pid, identity)}.

    A pid that is another process by now is left alone.
    """
    # Without an identity (no /proc) nobody can say whose process it is.
    known = {name: (pid, identity) for name, (pid, identity) in processes.items() if identity is not None}
    for signum in (signal.SIGTERM, signal.SIGKILL):
        for name, (pid, identity) in known.items():
            if identity_of(pid) == identity:
                log.say(f"{name} (pid {pid}) was left over from a run that was killed; {signum.name}")
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signum)
        deadline = time.monotonic() + seconds
        while any(identity_of(pid) == identity for pid, identity in known.values()) and time.monotonic() < deadline:
            time.sleep(0.05)


def _die_with_parent(signum: signal.Signals) -> Callable[[], None] | None:
    """For preexec_fn: the kernel kills the child when the supervisor dies, even by SIGKILL.

    Linux only; elsewhere `end_left_over` cleans up at the next start.
    """
    if sys.platform != "linux":
        return None
    prctl: Any = ctypes.CDLL(None).prctl  # looked up here: after the fork as little as possible
    parent = os.getpid()

    def in_child() -> None:
        prctl(PR_SET_PDEATHSIG, int(signum), 0, 0, 0)
        if os.getppid() != parent:  # it died before the line above
            os._exit(1)

    return in_child


def _how(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
