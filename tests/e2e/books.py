"""What a run left in Postgres, without the ids that differ from one installation to the next."""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

Rows = list[tuple[Any, ...]]


@dataclass(frozen=True)
class Books:
    """Everything that two runs over the same bars must agree on; amounts are Decimals with all their digits."""

    decisions: Rows
    orders: Rows
    fills: Rows
    positions: Rows
    balances: Rows

    def __str__(self) -> str:
        return f"{len(self.decisions)} decisions, {len(self.orders)} orders, {len(self.fills)} fills"


QUERIES = {
    "decisions": """select market_time, event_type, actor, reason from order_events
                    where event_type in ('signal', 'refusal', 'intent', 'cancel')
                    order by market_time, event_type, reason""",
    "orders": """select market_time, side, order_type, quantity, price, stop_price, stop_loss, take_profit,
                        filled_quantity, filled_price, fees, status, parent_id is null as entry from orders
                 order by market_time, side, order_type, quantity, price, stop_price""",
    "fills": """select executed_at, symbol, side, quantity, price, fee, fee_asset, is_maker, realized_pnl
                from executions order by executed_at, trade_id::bigint""",
    "positions": "select symbol, quantity, entry_price, realized_pnl from positions order by symbol",
    "balances": "select balances::text, killed from portfolios",
}


def books(state: Path) -> Books:
    """Reads the books of a running installation as the functions' role."""
    environment = json.loads((state / "environment.json").read_text())

    async def read() -> Books:
        connection = await asyncpg.connect(environment["DATABASE_URL"])
        try:
            rows = {name: [tuple(row) for row in await connection.fetch(query)] for name, query in QUERIES.items()}
            return Books(**rows)
        finally:
            await connection.close()

    return asyncio.run(read())
