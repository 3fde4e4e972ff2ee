"""The one way in which this package says no (envelope.md section 7)."""


class Refusal(Exception):
    """An error code, and the step of the specification that gives it (`V2.3`, `K1.2`, `S1`)."""

    def __init__(self, code: str, step: str) -> None:
        super().__init__(f"{code} ({step})")
        self.code = code
        self.step = step

    @property
    def stage(self) -> int | None:
        """The stage of verification, 1 to 8, of a step `V…`."""
        return int(self.step[1]) if self.step.startswith("V") else None


def refuse_if(condition: bool, code: str, step: str) -> None:
    """Refuse with `code` when the condition of `step` holds."""
    if condition:
        raise Refusal(code, step)
