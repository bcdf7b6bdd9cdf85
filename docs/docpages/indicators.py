"""`indicators.md`: the indicators from the registry, each with its hand-written rules in `parts/indicators/`."""

from docpages.markdown import blocks, code, first_sentence, table
from docpages.parts import PARTS, must_fit
from scoring.indicators import INDICATORS
from scoring.indicators.base import Indicator


def sections() -> dict[str, str]:
    """The overview and a section for each indicator."""
    written = {path.stem: path.read_text(encoding="utf-8") for path in (PARTS / "indicators").glob("*.md")}
    must_fit("docs/parts/indicators/", written, (indicator.id for indicator in INDICATORS))
    return {
        "overview": _overview(),
        "base": blocks(_section(i, written[i.id]) for i in INDICATORS if not i.deduction),
        "deductions": blocks(_section(i, written[i.id]) for i in INDICATORS if i.deduction),
    }


def _overview() -> str:
    rows = (
        [i.number, f"[`{i.id}`](#{i.id})", i.title.zh, i.title.en, f"−{i.max_points} at most" if i.deduction else i.max_points]
        for i in INDICATORS
    )
    return table(["#", "id", "指标", "indicator", "points"], rows)


def _section(indicator: Indicator, written: str) -> str:
    kind = "deduction, cap" if indicator.deduction else "points"
    rows = [
        ["id", code(indicator.id)],
        [kind, indicator.max_points],
        ["formula", indicator.formula],
        ["inputs", indicator.inputs.en],
        ["口径", indicator.inputs.zh],
        ["counts against", f"{indicator.lost.en}（{indicator.lost.zh}）"],
        ["without a catalogue", "`no_data`" if indicator.reads_catalogue else "scored all the same"],
    ]
    heading = f'<a id="{indicator.id}"></a>\n\n### {indicator.number} {indicator.title.zh} · {indicator.title.en}'
    return blocks([heading, table(["", ""], rows), first_sentence(type(indicator).__doc__), written])
