"""The only source of chance in the simulator."""

from random import Random


def dice(*key: object) -> Random:
    """Dice that fall the same for the same key, in every process."""
    return Random("|".join(map(str, key)))  # noqa: S311 - a simulation must be reproducible, nothing here is secret
