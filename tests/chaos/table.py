"""The durable way in: commands as rows of `executor_commands`, and the answers that the executor writes beside them."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

import asyncpg
from tests.chaos.books import Books

INSERT = (
    "insert into public.executor_commands (command_id, portfolio_id, envelope) "
    "values ($1, $2, $3) on conflict do nothing"
)
# Whoever stores commands does not wait for a database that is away.
TIMEOUT = 3.0


class CommandTable:
    """Stores commands as the functions do. `stored` are the ids of those that are certainly there."""

    def __init__(self, books: Books) -> None:
        self.books = books
        self.stored: set[str] = set()

    def put(self, envelope: dict[str, Any]) -> None:
        """Stores one; where the database is away nobody knows whether it has, and the caller has it sent again."""
        asyncio.run(self._put(envelope))
        self.stored.add(envelope["command_id"])

    def answers(self) -> dict[str, dict[str, Any] | None]:
        """By command id; None where there is none yet."""
        return asyncio.run(self._answers())

    async def _put(self, envelope: dict[str, Any]) -> None:
        functions = await asyncpg.connect(
            self.books.server.url("smc_functions", self.books.name), timeout=TIMEOUT, command_timeout=TIMEOUT
        )
        try:
            command = uuid.UUID(envelope["command_id"])
            await functions.execute(INSERT, command, uuid.UUID(self.books.account), json.dumps(envelope))
        finally:
            # A farewell to a server that stops in the middle of it would fail.
            functions.terminate()

    async def _answers(self) -> dict[str, dict[str, Any] | None]:
        functions = await asyncpg.connect(self.books.server.url("smc_functions", self.books.name))
        try:
            rows = await functions.fetch("select command_id, answer from public.executor_commands")
        finally:
            await functions.close()
        return {str(row["command_id"]): json.loads(row["answer"]) if row["answer"] else None for row in rows}
