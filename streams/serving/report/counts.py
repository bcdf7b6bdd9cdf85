"""How many things an indicator counts, asked of the worker that owns the department."""

from typing import Protocol


class EvidenceCounts(Protocol):
    """Asks a worker: `Workers.evidence_counts`."""

    def __call__(self, department: str, period: str) -> dict[str, tuple[int, int]]:
        """By indicator, how many things count for and how many against a department in a period.

        Raises:
            NoAnswerError: no worker answers.
        """
        ...
