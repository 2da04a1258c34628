"""The whole agent over recorded bars, started as its user starts it: nothing in these tests is a stand-in."""

from pathlib import Path

import pytest
from tests.e2e.books import Books, books
from tests.e2e.running_agent import BTC_MONTH, RunningAgent, running_agent, slice_of_month

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not BTC_MONTH.exists(), reason="needs ../shared/data/crypto/BTC-PERP_1m.csv"),
]
FIRST, COUNT = 0, 3000  # rows of the month; the run must trade in them, or the tests below prove little


@pytest.fixture(scope="module")
def bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return slice_of_month(tmp_path_factory.mktemp("bars") / "BTC-PERP_1m.csv", FIRST, COUNT)


def finished(agent: RunningAgent, state: Path) -> Books:
    """Waits for the end of the replay and for agreement with the venue; then the books."""
    status = agent.wait_until_finished(300)
    assert status["equal"], status
    return books(state)


@pytest.fixture(scope="module")
def undisturbed(bars: Path, tmp_path_factory: pytest.TempPathFactory) -> Books:
    """The books of a run at full speed that nothing disturbs."""
    state = tmp_path_factory.mktemp("undisturbed") / "state"
    with running_agent(state, "--replay", bars, "--speed", "max") as agent:
        result = finished(agent, state)
        assert agent.stop() == 0
    assert len(result.fills) >= 4, f"these bars trade too little: {result}"
    assert {"signal", "intent"} <= {event for _, event, *_ in result.decisions}
    return result


def test_a_slower_replay_with_a_slow_executor_gives_the_same_books(
    bars: Path, undisturbed: Books, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    # Sixty bars a second, and every order held back for 30 ms: speed and latency must not change what happens.
    slow = {"SMC_INJECT_DELAY_MS": "30"}
    with running_agent(state, "--replay", bars, "--speed", "7200", env=slow) as agent:
        assert finished(agent, state) == undisturbed


def test_a_killed_executor_is_restarted_and_nothing_is_lost_or_doubled(
    bars: Path, undisturbed: Books, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    # Three hundred bars a second: slow enough to be in the middle each time.
    with running_agent(state, "--replay", bars, "--speed", "18000") as agent:
        for at in (COUNT // 4, COUNT // 2, 3 * COUNT // 4):
            agent.wait_for_bars(at, 120)
            assert not agent.progress()["finished"]
            agent.kill_part("executor")
        assert finished(agent, state) == undisturbed
        assert agent.part("executor")["restarts"] == 3


def test_a_stopped_run_continues_where_it_was(bars: Path, undisturbed: Books, tmp_path: Path) -> None:
    state = tmp_path / "state"
    # Three hundred bars a second: slow enough to be in the middle each time.
    with running_agent(state, "--replay", bars, "--speed", "18000") as agent:
        agent.wait_for_bars(COUNT // 3, 120)
        assert agent.stop() == 0
    done = agent.progress()["bars_done"]
    assert COUNT // 3 <= done < COUNT, "it must have stopped in the middle for this test to say anything"
    # Killed this time, the supervisor too: what it leaves behind is cleaned up by the next start.
    with running_agent(state) as agent:
        agent.wait_for_bars(done + 200, 120)
        agent.process.kill()
        agent.process.wait()
    with running_agent(state) as agent:
        assert finished(agent, state) == undisturbed
