"""Every link in the documents leads somewhere on this machine; pages in two languages say the same; the decisions are all listed."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, PAGES, ROOT, anchors, blocks, headings, links

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


@each_page
def test_links_resolve(page: Path) -> None:
    content = page.read_text(encoding="utf-8")
    for link in links(content):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert ROOT in (target, *target.parents), f"{link} leads out of the project"
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8")), link


@each_page
def test_pages_named_in_code_exist(page: Path) -> None:
    for name in re.findall(r"`((?:docs|deploy|tests|streams|scoring|models)/[\w./-]+)`", page.read_text(encoding="utf-8")):
        assert (ROOT / name).exists(), name


def test_documents_named_in_the_code_exist() -> None:
    sources = [path for name in ("models", "scoring", "streams") for path in (ROOT / name).rglob("*.py")]
    named = {name for path in sources for name in re.findall(r"docs/[\w/-]+\.md", path.read_text(encoding="utf-8"))}
    assert named
    assert {name for name in named if not (ROOT / name).exists()} == set()


@pytest.mark.parametrize("page", ["README.md", "docs/operations.md"])
def test_both_languages_say_the_same(page: str) -> None:
    english, chinese = ((ROOT / name).read_text(encoding="utf-8") for name in (page, page.replace(".md", ".zh.md")))
    assert [h.split()[0] for h in headings(english)] == [h.split()[0] for h in headings(chinese)]
    assert blocks(english) == blocks(chinese)
    # Pictures are of the pages in the reader's language.
    assert [re.sub(r"(?:\.zh)?\.(md|png)$", r".\1", link) for link in links(english)] == [
        re.sub(r"(?:\.zh)?\.(md|png)$", r".\1", link) for link in links(chinese)
    ]
    table = re.compile(r"^\|.*\|$", re.MULTILINE)
    assert [row.count("|") for row in table.findall(english)] == [row.count("|") for row in table.findall(chinese)]
    steps = re.compile(r"^ *(?:[0-9]+\.|-) ", re.MULTILINE)
    assert steps.findall(english) == steps.findall(chinese)


def test_every_decision_is_listed_once_in_order() -> None:
    listed = links((DOCS / "adr" / "README.md").read_text(encoding="utf-8"))
    assert listed == sorted(path.name for path in (DOCS / "adr").glob("0*.md"))
    for number, name in enumerate(listed, start=1):
        content = (DOCS / "adr" / name).read_text(encoding="utf-8")
        assert content.startswith(f"# {number}. ")
        assert re.findall(r"^\*\*(\w+)\.\*\*", content, re.MULTILINE) == ["Context", "Decision", "Consequence"]


def test_every_document_is_listed() -> None:
    index = {(DOCS / link).resolve() for link in links((DOCS / "README.md").read_text(encoding="utf-8"))}
    assert {path for path in DOCS.glob("*.md") if path.name != "README.md"} <= index
