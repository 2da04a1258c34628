"""The examples of docs/detection.md run, one after the other, as they stand there."""

import re
from pathlib import Path
from typing import Any

GUIDE = Path(__file__).parents[2] / "docs" / "detection.md"


def test_the_examples_of_the_guide_run() -> None:
    text = GUIDE.read_text()
    examples = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert len(examples) == len(re.findall(r"^## \d\. ", text, re.MULTILINE)) == 5
    names: dict[str, Any] = {}
    for number, example in enumerate(examples, start=1):
        exec(compile(example, f"example {number} of {GUIDE.name}", "exec"), names)
    # What they loop over is there: an assertion in an empty loop says nothing.
    assert names["breaks"].sum() > 3
    assert len(names["gaps"]) > 10
    assert len(names["blocks"]) > 0
    assert len(names["above"]) > 0
    assert len(names["found"].events) > 10
