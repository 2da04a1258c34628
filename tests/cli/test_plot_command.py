"""`smc plot`: pictures of what was known, with words where a browser shows them."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner
from matplotlib.image import imread
from tests.detection.series import generated

from smc_agent.cli.plot import plot as command
from smc_agent.detection import KINDS, DetectionParams, detect
from smc_agent.market import read_bars

SMALL = ["--swing", "9", "--internal", "3"]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bars") / "BTCUSDT_1m.csv"
    _, *prices = generated(900, 3)
    rows = zip([1_704_067_200_000 + 60_000 * i for i in range(900)], *(c.tolist() for c in prices), strict=True)
    path.write_text("time,open,high,low,close,volume\n" + "".join(",".join(map(repr, row)) + "\n" for row in rows))
    return path


def plotted(*arguments: Any) -> str:
    done = CliRunner().invoke(command, [*map(str, arguments), *SMALL])
    assert done.exit_code == 0, done.output
    return done.stdout


def told(picture: Path) -> dict[int, str]:
    titles = re.findall(r'<g id="event-(\d+)"><title>(.*?)</title>', picture.read_text(), re.DOTALL)
    return {int(event_id): words for event_id, words in titles}


def test_a_picture_of_the_last_bars_in_light_and_dark(file: Path, tmp_path: Path) -> None:
    for name, extra in (("light.png", []), ("dark.png", ["--dark"])):
        said = plotted(file, "-o", tmp_path / name, *extra)
        assert said.startswith(f"{tmp_path / name}: bars 660 to 899, ")
        pixels = imread(tmp_path / name)
        assert pixels.shape[:2] == (910, 1690)
        corner = pixels[2, 2, :3].mean()
        assert corner > 0.9 if name == "light.png" else corner < 0.2
        assert pixels[..., :3].std() > 0.05, "something is drawn"


def test_every_part_says_what_it_is_and_none_is_of_the_future(file: Path, tmp_path: Path) -> None:
    bars, picture = read_bars(file), tmp_path / "some.svg"
    events = detect(bars.time, bars.open, bars.high, bars.low, bars.close, bars.volume,
                    DetectionParams(swing=9, internal=3))  # fmt: skip
    plotted(file, "--from", "300", "--to", "500", "--kinds", ",".join(KINDS), "-o", picture)
    ElementTree.parse(picture)
    words = told(picture)
    assert len(words) > 60
    for event_id, text in words.items():
        event = events[event_id]
        assert event.confirmed <= 500
        assert text.startswith(event.kind)
        assert f"known at the close of bar {event.confirmed} " in text
    drawn = {events[event_id].kind for event_id in words}
    assert drawn >= {"bos", "choch", "order_block", "fvg", "swing_high", "swing_low", "breaker_block"}


def test_to_a_bar_it_is_the_picture_of_a_file_that_ends_there(file: Path, tmp_path: Path) -> None:
    first = tmp_path / "first_BTCUSDT_1m.csv"
    first.write_text("".join(file.read_text().splitlines(keepends=True)[:502]))
    for source, name, extra in ((file, "a.svg", ["--to", "2024-01-01T08:21"]), (first, "b.svg", [])):
        plotted(source, "--from", "2024-01-01T04:00", "-o", tmp_path / name, *extra)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_a_page_stands_alone_and_follows_the_readers_light(file: Path, tmp_path: Path) -> None:
    picture = tmp_path / "page.html"
    plotted(file, "--tf", "5m", "-o", picture)
    text = picture.read_text()
    assert "prefers-color-scheme:dark" in text
    assert "var(--up)" in text
    assert not re.findall(r'(?:src|href)="(?!#)', text)
    assert told(picture)


def test_by_default_it_lies_here_under_the_name_of_the_file(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plotted(file)
    assert [path.name for path in tmp_path.iterdir()] == ["BTCUSDT_1m.png"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["-o", "picture.gif"], "a picture is a .png, .svg or .html file"),
        (["--from", "500", "--to", "400"], "--from lies after --to"),
        (["--from", "2024-01-02"], "no bar opens then or later. The last opens at 2024-01-01T14:59:00Z."),
        (["--tf", "1w"], "These bars complete no bar of 1w."),
        (["--tf", "1m,5m"], "a picture is of one time frame"),
        (["--kinds", "boss"], "there is no boss"),
    ],
)
def test_what_cannot_be_drawn_is_said_and_nothing_is_left(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(command, [str(file), *arguments])
    assert done.exit_code == 2
    assert says in done.output
    assert not list(tmp_path.iterdir())


def test_without_its_library_it_says_what_to_install(file: Path, tmp_path: Path) -> None:
    code = "import sys; sys.modules['matplotlib'] = None; from smc_agent.cli.main import main; main(sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", code, "plot", file], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == "smc: This needs matplotlib, which is not installed. Run `make setup`.\n"


def test_too_many_bars_for_a_picture_are_refused(tmp_path: Path) -> None:
    long = tmp_path / "BTCUSDT_1m.csv"
    rows = "".join(f"{1_704_067_200_000 + 60_000 * i},1,1,1,1,1\n" for i in range(3001))
    long.write_text("time,open,high,low,close,volume\n" + rows)
    done = CliRunner().invoke(command, [str(long), "--from", "0"])
    assert done.exit_code == 2
    assert "That is 3,001 bars, and a picture holds 3,000." in done.output
