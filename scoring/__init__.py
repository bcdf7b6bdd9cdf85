"""Scores from facts, exactly. Pure: no IO, no clock, no environment; time enters as an argument."""
