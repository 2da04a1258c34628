"""The supervisor, with small real processes."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from smc_agent.local.joined_log import JoinedLog
from smc_agent.local.ports import free_ports
from smc_agent.local.readiness import http_ok, tcp_open
from smc_agent.local.supervisor import NotReady, Part, Running, StartError, Supervisor, end_left_over, identity_of

LISTEN = "import socket, time; s = socket.create_server(('127.0.0.1', {port})); time.sleep(600)"
SLEEP = "import time; time.sleep(600)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)


def part(name: str, code: str, **more: Any) -> Part:
    return Part(name, (sys.executable, "-S", "-c", code), {"PATH": os.environ["PATH"]}, **more)


def gone(pid: int, seconds: float = 5) -> bool:
    """Whether process `pid` ends within `seconds`; a zombie has ended."""
    deadline = time.monotonic() + seconds
    while identity_of(pid) is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


async def until(condition: Callable[[], object], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        await asyncio.sleep(0.02)


@pytest.fixture
def log(tmp_path: Path) -> JoinedLog:
    return JoinedLog(tmp_path / "smc.log", stdout=os.open(os.devnull, os.O_WRONLY))


@pytest.fixture
async def supervisor(log: JoinedLog) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(log)
    yield supervisor
    supervisor.force()
    await supervisor.stop()


async def test_a_part_starts_only_after_those_it_needs_are_ready(supervisor: Supervisor, tmp_path: Path) -> None:
    port, seen = free_ports(1)[0], tmp_path / "seen"
    slow = f"import time; time.sleep(0.5); {LISTEN.format(port=port)}"
    connects = f"import socket; socket.create_connection(('127.0.0.1', {port})); open({str(seen)!r}, 'w'); {SLEEP}"
    # Given in the wrong order; a start without waiting would be refused by the port.
    await supervisor.start(
        part("second", connects, after=("first",)), part("first", slow, ready=tcp_open("127.0.0.1", port))
    )
    await until(seen.exists)
    assert [(r.state, r.restarts) for r in supervisor.parts.values()] == [("running", 0), ("running", 0)]


async def test_parts_stop_in_reverse_order(supervisor: Supervisor, tmp_path: Path) -> None:
    order = tmp_path / "order"
    says = (
        "import signal, sys, time\n"
        f"def end(*_): open({str(order)!r}, 'a').write('{{name}} '); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end); print('up', flush=True); time.sleep(600)"
    )

    def ready(name: str) -> Callable[[], object]:
        return lambda: supervisor.log.tail(name)

    await supervisor.start(
        part("database", says.format(name="database")),
        part("executor", says.format(name="executor"), after=("database",)),
        part("agent", says.format(name="agent"), after=("executor", "database")),
    )
    for name in supervisor.parts:
        await until(ready(name))
    await supervisor.stop()
    assert order.read_text().split() == ["agent", "executor", "database"]
    assert {running.state for running in supervisor.parts.values()} == {"stopped"}


async def test_a_killed_part_starts_again_with_growing_pauses(supervisor: Supervisor) -> None:
    port = free_ports(1)[0]
    await supervisor.start(part("executor", LISTEN.format(port=port), ready=tcp_open("127.0.0.1", port)))
    running = supervisor.parts["executor"]
    for restart, least in ((1, 0.5), (2, 1.0)):
        pid, killed = running.pid, time.monotonic()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await until(partial(_restarted, running, restart))
        assert time.monotonic() - killed >= least
        assert running.pid != pid
    said = "\n".join(supervisor.log.tail("smc"))
    assert "executor ended (killed by SIGKILL); starts again in 0.5 s" in said
    assert "executor ended (killed by SIGKILL); starts again in 1 s" in said


async def test_a_part_that_ends_at_start_is_an_error_with_its_last_lines(supervisor: Supervisor) -> None:
    with pytest.raises(StartError) as raised:
        await supervisor.start(
            part(
                "venue",
                "print('cannot open journal: disk full'); raise SystemExit(3)",
                ready=http_ok("http://127.0.0.1:9/"),
            )
        )
    assert "venue ended (exit code 3) before it was ready" in str(raised.value)
    assert "cannot open journal: disk full" in str(raised.value)


async def test_a_part_that_never_serves_is_an_error_that_says_what_was_tried(supervisor: Supervisor) -> None:
    port = free_ports(1)[0]
    with pytest.raises(StartError, match=rf"api was not ready within 0.3 s: 127.0.0.1:{port}: Connect"):
        await supervisor.start(part("api", SLEEP, ready=http_ok(f"http://127.0.0.1:{port}/healthz"), start_seconds=0.3))


async def test_a_program_that_is_not_there_is_an_error(supervisor: Supervisor) -> None:
    with pytest.raises(StartError, match="executor cannot be started: /no/such/program: No such file"):
        await supervisor.start(Part("executor", ("/no/such/program",), {}))


async def test_a_failed_part_does_not_leave_later_ones_started(supervisor: Supervisor) -> None:
    with pytest.raises(StartError):
        await supervisor.start(
            part("first", "raise SystemExit(1)", ready=_never), part("second", SLEEP, after=("first",))
        )
    assert supervisor.parts["second"].pid is None


async def test_a_part_that_ignores_its_stop_signal_is_killed_and_that_is_said(supervisor: Supervisor) -> None:
    await supervisor.start(part("stubborn", STUBBORN, stop_seconds=0.3))
    await until(lambda: supervisor.log.tail("stubborn"))
    pid = supervisor.parts["stubborn"].pid
    assert pid is not None
    await supervisor.stop()
    assert gone(pid)
    assert "stubborn did not stop within 0.3 s; killed" in supervisor.log.tail("smc")


async def test_force_ends_a_slow_stop_at_once(supervisor: Supervisor) -> None:
    await supervisor.start(part("stubborn", STUBBORN, stop_seconds=60))
    await until(lambda: supervisor.log.tail("stubborn"))
    stopping = asyncio.create_task(supervisor.stop())
    await asyncio.sleep(0.2)
    assert not stopping.done()
    supervisor.force()
    await asyncio.wait_for(stopping, timeout=5)


async def test_stop_during_a_restart_leaves_nothing(supervisor: Supervisor) -> None:
    await supervisor.start(part("agent", SLEEP))
    running = supervisor.parts["agent"]
    assert running.pid is not None
    os.kill(running.pid, signal.SIGKILL)
    await until(lambda: running.state == "restarting")
    await asyncio.sleep(0.5)  # as near to the moment of the new start as it gets
    await supervisor.stop()
    assert running.process is not None
    assert gone(running.process.pid)


async def test_stop_wins_over_the_restart_of_a_part_that_dies_in_the_same_moment(log: JoinedLog) -> None:
    # The moment is one turn of the event loop, so every turn after the death is tried.
    supervisors = [Supervisor(log) for _ in range(8)]
    for turns, supervisor in enumerate(supervisors):
        await supervisor.start(part("part", SLEEP))
        running = supervisor.parts["part"]
        assert running.process is not None
        running.process.kill()
        while running.process.returncode is None:  # noqa: ASYNC110  (turn by turn is the point)
            await asyncio.sleep(0)
        for _ in range(turns):
            await asyncio.sleep(0)
        await asyncio.wait_for(supervisor.stop(), timeout=5)
    await asyncio.sleep(0.7)  # longer than the first pause
    assert [supervisor.parts["part"].state for supervisor in supervisors] == ["stopped"] * len(supervisors)
    for supervisor in supervisors:
        supervisor.force()


async def test_a_flood_of_lines_and_one_without_end_do_not_stop_a_part(supervisor: Supervisor) -> None:
    floods = "import sys; sys.stdout.write('x' * 3_000_000 + '\\n')\nfor i in range(20000): print('line', i)"
    floods += "\nprint('done', flush=True)"
    await supervisor.start(part("chatty", f"{floods}\n{SLEEP}"))
    await until(lambda: "done" in supervisor.log.tail("chatty"), seconds=20)


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_parts_die_with_a_supervisor_that_is_killed() -> None:
    program = textwrap.dedent(f"""
        import asyncio, sys
        from smc_agent.local.joined_log import JoinedLog
        from smc_agent.local.supervisor import Part, Supervisor
        async def main():
            supervisor = Supervisor(JoinedLog(None, stdout=2))
            await supervisor.start(Part("part", (sys.executable, "-S", "-c", {SLEEP!r}), {{}}))
            print(supervisor.parts["part"].pid, flush=True)
            await asyncio.sleep(600)
        asyncio.run(main())
    """)
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert identity_of(pid) is not None
    finally:
        parent.kill()
        parent.wait()
    assert gone(pid)


def test_left_over_processes_are_ended_and_others_with_their_pid_are_not(log: JoinedLog) -> None:
    ours, other = (subprocess.Popen([sys.executable, "-S", "-c", SLEEP]) for _ in range(2))
    try:
        identity = identity_of(ours.pid)
        assert identity is not None
        end_left_over(
            {"venue": (ours.pid, identity), "api": (other.pid, "another boot:1"), "x": (2**22 - 1, identity)}, log
        )
        assert ours.wait(timeout=5) == -signal.SIGTERM
        assert other.poll() is None
        assert any(f"venue (pid {ours.pid}) was left over" in line for line in log.tail("smc"))
    finally:
        for process in (ours, other):
            process.kill()
            process.wait()


def _restarted(running: Running, times: int) -> bool:
    return running.restarts == times and running.state == "running"


async def _never() -> None:
    raise NotReady("never")
