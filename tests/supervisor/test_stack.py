"""What the parts are told: enough, and no more."""

import base64
import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from smc_agent.execution import sign
from smc_agent.local import stack as parts
from smc_agent.local.first_user import Account, opening_balance
from smc_agent.local.joined_log import JoinedLog
from smc_agent.local.market_choice import MarketChoice
from smc_agent.local.ports import claim_first
from smc_agent.local.postgres import Postgres
from smc_agent.local.stack import Stack
from smc_agent.local.state import State, StateError
from smc_agent.market import SymbolRules
from smc_agent.platform.settings import Settings

RULES = SymbolRules(
    symbol="BTCUSDT", base="BTC", quote="USDT", tick=Decimal("0.01"), step=Decimal("0.00001"),
    min_quantity=Decimal("0.00001"), min_notional=Decimal(5),
)  # fmt: skip
MARKET = MarketChoice(kind="synthetic", exchange="synthetic", symbol="BTCUSDT", timeframe="1m", speed="60", rules=RULES)


def make(folder: Path, hosted: Settings | None = None) -> Stack:
    state = State(folder)
    state.folder.mkdir(exist_ok=True)
    account = Account.of(state, None)
    account.keep(state)
    stack = Stack(state, MARKET, account, JoinedLog(None), hosted or Settings(), claim_first(range(20_000, 32_000)))
    stack.settings = stack._settings()
    return stack


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return make(tmp_path)


def test_no_part_gets_a_secret_that_it_does_not_need(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMC_COMMAND_KEY", "from the shell")
    monkeypatch.setenv("SUPABASE_SERVICE_ROLE_KEY", "from the shell")
    gateway = stack._environment(*parts._GATEWAY_SETTINGS)
    assert not {"SMC_COMMAND_KEY", "SMC_EXECUTOR_TOKEN", "SMC_PAPER_TOKEN", "SUPABASE_SERVICE_ROLE_KEY"} & set(gateway)
    assert gateway["SUPABASE_JWT_SECRET"] == stack.settings["SUPABASE_JWT_SECRET"]
    agent = stack._environment(*parts._AGENT_SETTINGS)
    assert not {"SUPABASE_JWT_SECRET", "SUPABASE_SERVICE_ROLE_KEY"} & set(agent)
    assert agent["SMC_COMMAND_KEY"] == stack.settings["SMC_COMMAND_KEY"]
    # The Rust programs read their secrets from a file.
    assert not [name for name in stack._environment() if name.startswith(("SMC_COMMAND", "SUPABASE_", "DATABASE_"))]


def test_the_executor_gets_the_public_half_of_the_key_that_signs(stack: Stack) -> None:
    config = stack._executor_config("postgresql://x", str(uuid4()), "key", "secret")
    seed = base64.b64decode(stack.settings["SMC_COMMAND_KEY"])
    (key,) = config["command_keys"]
    assert key["key_id"] == "local"
    assert base64.b64encode(seed).decode() not in str(config)
    now, ttl = datetime.now(UTC), timedelta(seconds=5)
    envelope = sign(seed, "local", str(uuid4()), str(uuid4()), "pause", {}, now, ttl)
    signature = base64.b64decode(envelope.pop("signature"))
    Ed25519PublicKey.from_public_bytes(base64.b64decode(key["public_key"])).verify(signature, rfc8785.dumps(envelope))


def test_a_later_start_has_the_same_secrets_and_the_same_account(tmp_path: Path) -> None:
    first, second = make(tmp_path), make(tmp_path)
    ours = ("SMC_COMMAND_KEY", "SMC_EXECUTOR_TOKEN", "SMC_PAPER_TOKEN", "SUPABASE_JWT_SECRET", "SUPABASE_ANON_KEY")
    assert {name: first.settings[name] for name in ours} == {name: second.settings[name] for name in ours}
    assert first.account == second.account
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600
    other = make(tmp_path / "other")
    assert not {first.settings[name] for name in ours} & {other.settings[name] for name in ours}


@pytest.mark.parametrize("content", [{}, {"email": "ada@example.com", "portfolio_id": "x", "session_id": 5}])
def test_a_damaged_account_is_named_with_the_cure(content: dict[str, object], tmp_path: Path) -> None:
    state = State(tmp_path)
    state.write("account.json", content)
    with pytest.raises(StateError, match=r"account\.json is damaged\. Restore it, or start over with `smc reset`\."):
        Account.of(state, None)


async def test_a_database_of_other_secrets_is_said_at_once(postgres: Postgres) -> None:
    await parts._accepts(postgres)()
    with pytest.raises(StateError, match=r"does not fit secrets\.json.*Bring secrets\.json back, or start over"):
        await parts._accepts(replace(postgres, passwords=dict.fromkeys(postgres.passwords, "other")))()


def test_a_hosted_project_takes_the_place_of_the_local_one(tmp_path: Path) -> None:
    hosted = Settings.model_validate(
        {"DATABASE_URL": "postgresql://f@db/x", "SUPABASE_URL": "https://p.supabase.co", "SUPABASE_ANON_KEY": "anon",
         "SUPABASE_SERVICE_ROLE_KEY": "service"}
    )  # fmt: skip
    settings = make(tmp_path, hosted).settings
    assert settings["SUPABASE_URL"] == "https://p.supabase.co"
    assert (settings["DATABASE_URL"], settings["SUPABASE_ANON_KEY"]) == ("postgresql://f@db/x", "anon")
    assert "SUPABASE_JWT_SECRET" not in settings, "a local secret would let locally made tokens in"


@pytest.mark.parametrize(
    ("quote", "least", "balance"), [("USDT", "5", "100000"), ("USD", "1", "100000"), ("BTC", "0.0001", "2")]
)
def test_the_opening_balance_is_about_100_000_dollars(quote: str, least: str, balance: str) -> None:
    rules = RULES.model_copy(update={"quote": quote, "min_notional": Decimal(least)})
    assert opening_balance(rules) == Decimal(balance)
