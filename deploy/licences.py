"""The licence of everything that the image holds, as its own metadata say: `python deploy/licences.py`.

Exit 1 when one is not in the list of those that may be shipped with a program under the Apache License.
"""

import re
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

LOCK = Path(__file__).parent / "requirements.lock"
ALLOWED = {"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MPL-2.0", "PSF-2.0"}
# What older metadata say in their own words.
NAMES = {
    "Apache 2": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "ISC License": "ISC",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
# Read by hand where the metadata leave it open.
READ = {"venusian": "BSD-3-Clause"}  # "BSD-derived (Repoze)": its text is that of the modified BSD licence


def locked() -> list[str]:
    """The names in the lock file."""
    return re.findall(r"^([A-Za-z0-9][\w.-]*)==", LOCK.read_text(encoding="utf-8"), re.MULTILINE)


def licence_of(name: str) -> str:
    """The SPDX expression of an installed package; its own words where they say nothing known.

    Raises:
        PackageNotFoundError: it is not installed.
    """
    return READ.get(name) or _stated(distribution(name))


def _stated(held: Distribution) -> str:
    metadata = held.metadata
    if expression := metadata.get("License-Expression"):
        return str(expression)
    words = str(metadata.get("License") or "").strip()
    found = [words] if words and "\n" not in words and len(words) < 60 else []
    found += [line.rpartition(" :: ")[2] for line in metadata.get_all("Classifier") or [] if line.startswith("License :: OSI Approved :: ")]
    known = [NAMES.get(text, text) for text in found]
    return next((text for text in known if text in ALLOWED), " / ".join(known) or "none stated")


def is_allowed(expression: str) -> bool:
    """Whether every part of an expression is allowed; of alternatives one is enough."""
    for group in re.findall(r"\(([^()]*)\)", expression):
        expression = expression.replace(f"({group})", next(iter(ALLOWED)) if is_allowed(group) else "refused")
    return all(any(choice.strip() in ALLOWED for choice in part.split(" OR ")) for part in expression.split(" AND "))


def main() -> int:
    """Print the list; the exit code."""
    faults = 0
    for name in locked():
        try:
            expression = licence_of(name)
        except PackageNotFoundError:
            expression = "not installed here"
        right = is_allowed(expression)
        faults += not right
        print(f"{name:<24} {expression}{'' if right else '   ← not allowed: deploy/licences.py lists what is'}")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
