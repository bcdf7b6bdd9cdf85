"""Writes the boards, Chinese and English from one source: `python deploy/grafana/generate.py`.

The files under `dashboards/` are kept beside the code, so that Grafana needs nothing but them; a test writes them again and
finds no difference. Where the program's pages are not on this machine, say where: `--program https://score.example`.
"""

import argparse
import json
from pathlib import Path
from typing import get_args

from boards import alerts, cases, department, indicator, interfaces, overview, pipeline, quality
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from models.text import Language

HERE = Path(__file__).parent
PROGRAM = "http://127.0.0.1:8080"
BOARDS = [module.BOARD for module in (overview, department, indicator, cases, interfaces, quality, pipeline, alerts)]


def main() -> None:
    """Write every board in every language."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=HERE / "dashboards", help="directory of the boards")
    parser.add_argument("--program", default=PROGRAM, help=f"address of `onestop web` as a browser sees it (default {PROGRAM})")
    arguments = parser.parse_args()
    for language in get_args(Language):
        for board in BOARDS:
            file = arguments.output / language / f"{board.name}.json"
            file.parent.mkdir(parents=True, exist_ok=True)
            built = board.build(language, arguments.program.rstrip("/")).build()
            text = json.dumps(built, cls=JSONEncoder, indent=2, ensure_ascii=False, sort_keys=True)
            file.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
