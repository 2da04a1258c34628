"""The parts of `smc up`, put together: which start in which order, and what each is told."""

import asyncio
import base64
import contextlib
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from smc_agent.local.auth.tokens import make_keys
from smc_agent.local.database import prepare_database
from smc_agent.local.first_user import Account, AuthAdmin, open_account, opening_balance
from smc_agent.local.installation import program, web_app
from smc_agent.local.joined_log import JoinedLog
from smc_agent.local.market_choice import FILE as MARKET_FILE
from smc_agent.local.market_choice import MarketChoice
from smc_agent.local.ports import free_ports
from smc_agent.local.postgres import Postgres, prepare_postgres
from smc_agent.local.postgrest import postgrest_binary, postgrest_environment
from smc_agent.local.readiness import http_ok
from smc_agent.local.secrets_file import SecretsFile, random_password
from smc_agent.local.state import State, StateError
from smc_agent.local.supervisor import NotReady, Part, Ready, Supervisor, end_left_over
from smc_agent.platform.settings import ENVIRONMENT_FILE, Settings, environment_name

RUN_FILE = "run.json"
FEES = {"maker": "0.001", "taker": "0.001"}  # Binance spot without discounts


@dataclass
class Stack:
    """One running agent on this machine: `start` it, wait, `stop` it. `hosted`: the settings from the environment."""

    state: State
    market: MarketChoice
    account: Account
    log: JoinedLog
    hosted: Settings
    front_door: socket.socket  # listens on the gateway's port: held here, it is ours while the gateway restarts
    link: str | None = None  # of the first user, until he has used one
    settings: dict[str, str] = field(default_factory=dict)  # what the parts are told, by environment name
    started_at: float = field(default_factory=time.time)

    def __post_init__(self) -> None:
        self._run_unwritten: str | None = None
        self.supervisor = Supervisor(self.log, self._write_run)
        names = ("postgrest", "postgrest_admin", "api", "paper", "executor")
        self.ports = dict(zip(names, free_ports(len(names)), strict=True))

    @property
    def address(self) -> str:
        """Where the web app and, unless Supabase is hosted, its API are."""
        return f"http://127.0.0.1:{self.front_door.getsockname()[1]}"

    async def start(self) -> None:
        """Start everything. Raises StartError, PostgresFailed, MigrationFailed, AdminError, StateError, NotBuilt."""
        binaries = {name: str(program(name)) for name in ("executor", "paper_venue")}
        self._end_left_over()
        self.state.read("secrets.json")  # damaged: said before anything is built on it
        self.settings = self._settings()
        executor_database_url = await (self._hosted_database() if self.hosted.database_url else self._local_database())
        self.state.write(ENVIRONMENT_FILE, self.settings)
        user_id, fragment = await self._first_user()
        self.account.keep(self.state)  # not before: an address that the project refuses binds nobody
        self.link = f"{self.address}/login#{fragment}" if fragment else None
        balance = opening_balance(self.market.rules)
        await open_account(self.settings["DATABASE_URL"], self.account, user_id, self.market, balance)
        # Remembered only now: a first start that fails binds nobody to its market.
        self.state.write(MARKET_FILE, self.market.model_dump(mode="json"))
        key, secret = self._secret("paper_api_key"), self._secret("paper_api_secret")
        self.state.write("run/paper.json", self._paper_config(key, secret, str(balance)))
        self.state.write("run/executor.json", self._executor_config(executor_database_url, str(user_id), key, secret))
        after_database = ("postgres",) if "postgres" in self.supervisor.parts else ()
        await self.supervisor.start(
            Part(
                "paper",
                (binaries["paper_venue"], "--config", str(self.state.folder / "run" / "paper.json")),
                self._environment(),
                ready=http_ok(f"{self.settings['SMC_PAPER_URL']}/api/v3/ping"),
            ),
            Part(
                "executor",
                (binaries["executor"], "run", "--config", str(self.state.folder / "run" / "executor.json")),
                self._environment(),
                ready=http_ok(f"{self.settings['SMC_EXECUTOR_URL']}/readyz"),
                after=("paper", *after_database),
            ),
            Part(
                "api",
                (*_python("uvicorn"), "smc_agent.api.app:create_app", "--factory", "--host", "127.0.0.1",
                 "--port", str(self.ports["api"]), "--no-access-log", "--no-server-header"),
                self._environment(*_API_SETTINGS),
                ready=http_ok(f"{self.settings['SMC_API_URL']}/healthz"),
                after=after_database,
            ),
            Part(
                "agent",
                _python("smc_agent.local.agent"),
                self._environment(*_AGENT_SETTINGS),
                ready=self._agent_reports(),
                after=("executor", "paper", *after_database),
            ),
        )  # fmt: skip

    async def stop(self) -> None:
        """Stop everything in reverse order and leave no trace of running."""
        await self.supervisor.stop()
        self.state.remove(RUN_FILE)

    async def _local_database(self) -> str:
        """Postgres, migrations, PostgREST and the gateway; returns the executor's database URL."""
        self.log.say("preparing Postgres")
        server = await asyncio.to_thread(prepare_postgres, self.state.folder)
        await self.supervisor.start(
            Part(
                "postgres",
                server.argv,
                self._environment(),
                ready=_accepts(server),
                stop_signal=signal.SIGINT,  # "fast": disconnects clients and writes a checkpoint
                death_signal=signal.SIGINT,
                stop_seconds=30,
                user=server.os_user,
            )
        )
        if applied := await prepare_database(server):
            self.log.say(f"applied {len(applied)} migrations, up to {applied[-1]}")
        self.settings["DATABASE_URL"] = server.url("smc_functions")
        jwt_secret = self.settings["SUPABASE_JWT_SECRET"]
        await self.supervisor.start(
            Part(
                "postgrest",
                (str(postgrest_binary()),),
                self._environment()
                | postgrest_environment(server, jwt_secret, self.ports["postgrest"], self.ports["postgrest_admin"]),
                ready=http_ok(f"http://127.0.0.1:{self.ports['postgrest_admin']}/ready"),
                after=("postgres",),
            ),
            self._gateway(server, after=("postgres", "postgrest")),
        )
        return server.url("smc_executor")

    async def _hosted_database(self) -> str:
        """Only the gateway, for the web app and as the way to the API; the hosted project has the rest."""
        self.hosted.require("supabase_url", "supabase_anon_key", "supabase_service_role_key", "executor_database_url")
        assert self.hosted.executor_database_url is not None
        await self.supervisor.start(self._gateway(None, after=()))
        return self.hosted.executor_database_url.get_secret_value()

    def _gateway(self, server: Postgres | None, after: tuple[str, ...]) -> Part:
        extra = {"SMC_GATEWAY_FD": str(self.front_door.fileno()), "SMC_WEB_DIST": str(web_app())}
        if server is not None:
            extra["SMC_ADMIN_DATABASE_URL"] = server.url("postgres")
            extra["SMC_POSTGREST_URL"] = f"http://127.0.0.1:{self.ports['postgrest']}"
        return Part(
            "gateway",
            _python("smc_agent.local.gateway"),
            self._environment(*_GATEWAY_SETTINGS) | extra,
            ready=http_ok(f"{self.address}/config.json"),
            after=after,
            listens_on=self.front_door,
        )

    def _secret(self, name: str, make: Callable[[], str] = random_password) -> str:
        # Read anew each time: Postgres' preparation adds its own to the same file.
        return SecretsFile(self.state.folder).get(name, make)

    def _settings(self) -> dict[str, str]:
        """What the parts are told; what the environment says goes first."""
        url = {name: f"http://127.0.0.1:{port}" for name, port in self.ports.items()}
        settings = {
            "SMC_STATE_DIR": str(self.state.folder),
            "SMC_EXECUTOR_URL": url["executor"],
            "SMC_EXECUTOR_TOKEN": self._secret("executor_token"),
            "SMC_COMMAND_KEY": self._secret("command_seed", _ed25519_seed),
            "SMC_COMMAND_KEY_ID": "local",
            "SMC_PAPER_URL": url["paper"],
            "SMC_PAPER_TOKEN": self._secret("paper_control_token"),
            "SMC_API_URL": url["api"],
        } | self.market.environment()
        if self.hosted.database_url is None:
            secret = self._secret("jwt_secret")
            # Made once: a browser that has the anon key keeps it.
            anon = self._secret("anon_key", lambda: make_keys(secret)[0])
            service = self._secret("service_role_key", lambda: make_keys(secret)[1])
            settings |= {
                "SUPABASE_URL": self.address,
                "SUPABASE_ANON_KEY": anon,
                "SUPABASE_SERVICE_ROLE_KEY": service,
                "SUPABASE_JWT_SECRET": secret,
            }
        for name in ("database_url", "supabase_url", "supabase_anon_key", "supabase_service_role_key",
                     "supabase_jwt_secret", "redis_url"):  # fmt: skip
            value = getattr(self.hosted, name)
            if value is not None:
                settings[environment_name(name)] = value if isinstance(value, str) else value.get_secret_value()
        return settings

    def _environment(self, *names: str) -> dict[str, str]:
        """A part's environment: the machine's own, without any setting but those in `names`."""
        ours = {environment_name(field) for field in Settings.model_fields}
        base = {name: value for name, value in os.environ.items() if name not in ours}
        direct = ",".join(filter(None, (base.get("NO_PROXY"), "127.0.0.1", "localhost")))
        base |= {"PYTHONUNBUFFERED": "1", "NO_PROXY": direct, "no_proxy": direct}
        return base | {name: self.settings[name] for name in names if name in self.settings}

    async def _first_user(self) -> tuple[Any, str | None]:
        async with AuthAdmin(self.settings["SUPABASE_URL"], self.settings["SUPABASE_SERVICE_ROLE_KEY"]) as admin:
            return await admin.invite(self.account.email, "admin")

    def _paper_config(self, key: str, secret: str, balance: str) -> dict[str, Any]:
        rules = self.market.rules
        return {
            "listen": f"127.0.0.1:{self.ports['paper']}",
            "state": str(self.state.folder / "paper.journal"),
            "control_token": self.settings["SMC_PAPER_TOKEN"],
            "fees": FEES,
            "symbols": [rules.model_dump(mode="json")],
            "accounts": [
                {
                    "name": str(self.account.portfolio_id),
                    "api_key": key,
                    "api_secret": secret,
                    "balances": {rules.quote: balance},
                }
            ],
        }

    def _executor_config(self, database_url: str, user_id: str, key: str, secret: str) -> dict[str, Any]:
        seed = base64.b64decode(self.settings["SMC_COMMAND_KEY"])
        public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
        paper = self.settings["SMC_PAPER_URL"]
        return {
            "listen": f"127.0.0.1:{self.ports['executor']}",
            "database_url": database_url,
            "journal": str(self.state.folder / "executor.journal"),
            "token": self.settings["SMC_EXECUTOR_TOKEN"],
            "inject_delay_ms": self.hosted.inject_delay_ms,
            "command_keys": [{"key_id": "local", "public_key": base64.b64encode(public).decode()}],
            "accounts": [
                {
                    "id": str(self.account.portfolio_id),
                    "user_id": user_id,
                    "exchange": "paper",
                    "rest_url": paper,
                    "ws_api_url": f"ws{paper.removeprefix('http')}/ws-api/v3",
                    "api_key": key,
                    "api_secret": secret,
                    "quote_asset": self.market.rules.quote,
                }
            ],
        }

    def _agent_reports(self) -> Ready:
        """Ready when the agent has written its progress file since it was started, or started again."""
        path = self.state.folder / "agent.json"

        async def check() -> None:
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime >= self.supervisor.parts["agent"].started_at:
                    return
            raise NotReady(f"{path} is not written yet")

        return check

    def _write_run(self) -> None:
        """Say in run.json what runs; what outlives a killed supervisor is found by it."""
        parts = [
            {
                "name": name,
                "state": running.state,
                "pid": running.pid,
                "identity": running.identity,
                "started_at": running.started_at or None,
                "restarts": running.restarts,
            }
            for name, running in self.supervisor.parts.items()
        ]
        run = {
            "pid": os.getpid(),
            "started_at": self.started_at,
            "address": self.address,
            "market": self.market.describe(),
            "urls": {name: self.settings[name] for name in _PUBLIC_URLS if name in self.settings},
            "parts": parts,
        }
        try:
            self.state.write(RUN_FILE, run)
            self._run_unwritten = None
        except StateError as error:  # a full disk is no reason to stop trading's parts
            if self._run_unwritten != str(error):  # said once, not with every change
                self._run_unwritten = str(error)
                self.log.say(str(error))

    def _end_left_over(self) -> None:
        before = self.state.read(RUN_FILE) or {}
        end_left_over(
            {part["name"]: (part["pid"], part["identity"]) for part in before.get("parts", []) if part["pid"]}, self.log
        )
        self.state.remove(RUN_FILE)


_PUBLIC_URLS = ("SUPABASE_URL", "SMC_EXECUTOR_URL", "SMC_PAPER_URL", "SMC_API_URL")
_MARKET_SETTINGS = ("SMC_MARKET", "SMC_REPLAY", "SMC_SPEED", "SMC_SYMBOL", "SMC_TIMEFRAME", "SMC_EXCHANGE",
                    "SMC_EXCHANGE_URL")  # fmt: skip
# Each part gets the settings it needs and no others: who breaks into the gateway finds no command key.
_GATEWAY_SETTINGS = ("SUPABASE_URL", "SUPABASE_ANON_KEY", "SUPABASE_JWT_SECRET", "SMC_API_URL")
_API_SETTINGS = ("SMC_STATE_DIR", "DATABASE_URL", "SUPABASE_URL", "SUPABASE_ANON_KEY", "SUPABASE_JWT_SECRET",
                 "REDIS_URL", "SMC_EXECUTOR_URL", "SMC_EXECUTOR_TOKEN", "SMC_COMMAND_KEY", "SMC_COMMAND_KEY_ID",
                 "SMC_PAPER_URL", *_MARKET_SETTINGS)  # fmt: skip
_AGENT_SETTINGS = ("SMC_STATE_DIR", "DATABASE_URL", "REDIS_URL", "SMC_EXECUTOR_URL", "SMC_EXECUTOR_TOKEN",
                   "SMC_COMMAND_KEY", "SMC_COMMAND_KEY_ID", "SMC_PAPER_URL", "SMC_PAPER_TOKEN",
                   *_MARKET_SETTINGS)  # fmt: skip


def _python(module: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module)


def _ed25519_seed() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def _accepts(server: Postgres) -> Ready:
    """Ready when the server answers as one that takes connections (it refuses during recovery).

    Raises StateError where no waiting helps: the cluster and secrets.json are not of one state.
    """
    import asyncpg

    async def check() -> None:
        # Asking before it says so itself would put a FATAL line into the log for each attempt.
        if not server.says_ready():
            raise NotReady("it is starting up")
        try:
            connection = await asyncpg.connect(server.url("supabase_admin"), timeout=3)
        except (asyncpg.InvalidPasswordError, asyncpg.InvalidCatalogNameError):
            raise StateError(
                f"The database in {server.data} does not fit secrets.json: that file was replaced, or the first start "
                "was killed before the database was made. Bring secrets.json back, or start over with `smc reset`."
            ) from None
        except (OSError, asyncpg.PostgresError, TimeoutError) as error:
            raise NotReady(str(error) or type(error).__name__) from None
        await connection.close()

    return check
