"""Saying what is waited for: once, and again when it is something else."""

import logging


class SaysOnce:
    """Warns with a sentence unless it is the one it warned with last."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._last = ""

    def __call__(self, sentence: str) -> bool:
        """Whether it was said."""
        if sentence == self._last:
            return False
        self._last = sentence
        self._log.warning("%s", sentence)
        return True
