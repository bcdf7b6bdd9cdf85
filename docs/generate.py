"""Writes the reference pages and the JSON Schemas from the code: `python docs/generate.py`.

`--check` writes nothing: it names every file that differs from what the code says and then exits 1. The hand-written part of each page
lies in `docs/parts/`; the page is that text with the tables put in where it says `{{name}}`.
"""

import argparse
import sys
from pathlib import Path

from docpages import OWNED, generate
from docpages.parts import PartError

DOCS = Path(__file__).parent


def differing(files: dict[str, str]) -> list[str]:
    """The files, relative to docs/, that are missing, differ, or are there although nothing generates them."""
    found = {path.relative_to(DOCS).as_posix() for pattern in OWNED for path in DOCS.glob(pattern)}
    return sorted(name for name in found | files.keys() if _content(name) != files.get(name))


def _content(name: str) -> str | None:
    path = DOCS / name
    return path.read_text(encoding="utf-8") if path.exists() else None


def write(files: dict[str, str], names: list[str]) -> None:
    """Write those files, and remove those that nothing generates."""
    for name in names:
        path = DOCS / name
        if name in files:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[name], encoding="utf-8")
        else:
            path.unlink()


def main() -> int:
    """Write what differs, or with `--check` only name it; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 when a file differs")
    check = parser.parse_args().check
    try:
        files = generate()
    except PartError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    names = differing(files)
    if not check:
        write(files, names)
    verb = "differs, run `python docs/generate.py`" if check else "written"
    sys.stdout.writelines(f"docs/{name}: {verb}\n" for name in names)
    return int(check and bool(names))


if __name__ == "__main__":
    sys.exit(main())
