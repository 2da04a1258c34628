"""What detection refuses.

ValueError
├── DetectionInputError   a bar breaks a rule of the input
└── DetectionStateError   saved state that is not ours, or is damaged
"""


class DetectionInputError(ValueError):
    """A bar that cannot be true: carries the row (from 0, of the call), the column and the rule it breaks."""

    def __init__(self, row: int, column: str, rule: str) -> None:
        super().__init__(f"row {row}, column {column}: {rule}")
        self.row = row
        self.column = column
        self.rule = rule


class DetectionStateError(ValueError):
    """Bytes that `Detector.restore` cannot continue from; the message says why."""
