"""The pages: every snippet is a file that a test runs, every link leads somewhere, nothing generated is stale."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]

BLOCK = re.compile(
    r"(?:<!-- file: (?P<file>\S+) -->\n)?^```(?:python|toml)\n(?P<body>.*?)^```$", re.DOTALL | re.MULTILINE
)
FENCED = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
MARKER = re.compile(r"^\s*# (?:end)?region: \S+\n", re.MULTILINE)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def expected(reference: str) -> str:
    path, _, region = reference.partition("#")
    text = (ROOT / path).read_text("utf-8")
    if region:
        text = text.partition(f"# region: {region}\n")[2].partition(f"# endregion: {region}\n")[0]
        text = text.rpartition("\n")[0] if text.rpartition("\n")[2].isspace() else text
    return dedent(MARKER.sub("", text)).strip("\n")


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_snippet_is_a_file_under_examples(page: Path) -> None:
    for block in BLOCK.finditer(page.read_text("utf-8")):
        assert block["file"], f"a snippet in {name(page)} names no file:\n{block['body']}"
        assert block["file"].startswith("examples/")
        assert block["body"].strip("\n") == expected(block["file"]), f"{block['file']}: run make docs"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_relative_link_resolves(page: Path) -> None:
    for target in LINK.findall(FENCED.sub("", page.read_text("utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), f"{name(page)} links to {target}"
        assert ROOT in found.parents, f"{name(page)} links out of the repository: {target}"
        if anchor:
            assert anchor in anchors(found), f"{name(page)} links to {target}"


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as code hosts make them."""
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def test_every_page_is_linked_from_the_index_or_a_page_below_it() -> None:
    seen: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen:
            continue
        seen.add(page)
        for target in LINK.findall(FENCED.sub("", page.read_text("utf-8"))):
            found = (page.parent / target.partition("#")[0]).resolve()
            if found.suffix == ".md" and found.exists():
                waiting.append(found)
    unlinked = [name(page) for page in PAGES if page not in seen and "benchmarks" not in page.parts]
    assert unlinked == []


def test_generated_parts_are_up_to_date() -> None:
    done = subprocess.run(
        (sys.executable, "tools/build_docs.py", "--check"), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_make_docs_would_notice_a_stale_page(tmp_path: Path) -> None:
    for part in ("tools", "examples", "docs"):
        (tmp_path / part).symlink_to(ROOT / part)
    (tmp_path / "tools").unlink()
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools/build_docs.py").write_text((ROOT / "tools/build_docs.py").read_text("utf-8"), "utf-8")
    readme = (ROOT / "README.md").read_text("utf-8")
    (tmp_path / "README.md").write_text(readme.replace("class BrightestSpot", "class Stale"), "utf-8")
    command = (sys.executable, str(tmp_path / "tools/build_docs.py"), "--check")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines() == ["README.md is stale; run make docs"]
