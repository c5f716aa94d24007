"""The documentation says what the program does: generated tables, the tree, commands, code, links."""

import ast
import re
import shlex
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from typing import Annotated

import pytest
import typer.main
from pydantic import Field

import aimanga
from aimanga.cli.app import VERBS, app
from aimanga.config import Config
from aimanga.degrade.recipe import Blur
from aimanga.upscale.options import UpscaleOptions
from tests.conftest import ROOT

PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))


def module(name):
    spec = spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    loaded = module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


hooks = module("hooks")


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


def name_of(page):
    return page.relative_to(ROOT).as_posix()


def test_the_readme_stays_on_one_page():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_a_new_option_is_in_the_table():
    class Sharper(UpscaleOptions):
        sharpness: Annotated[float, Field(ge=0, le=3)] = 1.5
        """How much sharper."""

    assert "| `--sharpness` | `NUMBER` | `1.5` | 0 to 3 | How much sharper. |" in hooks.options_table(Sharper)
    assert "sharpness" not in hooks.options_table(UpscaleOptions)


def test_a_new_key_of_a_recipe_is_in_the_table_of_its_table():
    class Softer(Blur):
        ring: Annotated[tuple[int, int], Field(description="Rings, from and to.")] = (1, 2)

    class Stage(Config):
        """One stage."""

        blur: Softer | None = None
        """How it blurs."""

    class File(Config):
        """A file."""

        stages: tuple[Stage, ...] = ()
        """In their order."""

    top, stage, blur = re.split(r"(?<=</div>)\n\n(?=\*\*)", hooks.recipe_tables(File))
    assert top.startswith("**top level**: A file.") and "| `stages` | list: table |  |  | In their order. |" in top
    assert stage.startswith("**`[[stages]]`**: One stage.") and "ring" not in stage
    assert blur.startswith("**`[stages.blur]`**")
    assert "| `ring` | 2 integers | `[1, 2]` |  | Rings, from and to. |" in blur
    assert "| `probability` | number | `1.0` | ≥ 0, ≤ 1 |" in blur


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_placeholder_becomes_a_table(page):
    text = page.read_text()
    made = hooks.on_page_markdown(text)
    assert "<!-- options" not in made and "<!-- recipe" not in made
    assert made.count("| --- |") >= text.count("| --- |") + len(hooks.PLACEHOLDER.findall(text))


def test_the_architecture_page_shows_the_tree_on_the_disk():
    assert module("tree").tree(ROOT / "src" / "aimanga") in (ROOT / "docs" / "architecture.md").read_text(), (
        "python docs/tree.py brings docs/architecture.md up to date"
    )


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_documented(verb):
    page = "score" if verb == "metrics" else verb
    text = (ROOT / "docs" / "reference" / f"{page}.md").read_text()
    assert f"aimanga {verb}" in text
    assert f"[{page}](docs/reference/{page}.md)" in (ROOT / "README.md").read_text()
    assert f"reference/{page}.md" in (ROOT / "mkdocs.yml").read_text()


def commands(page):
    for block in blocks(page, "console"):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True) if line.startswith("$ ") else []
            if "aimanga" in words and "git" not in words and "pip" not in words:
                yield words[words.index("aimanga") + 1 :]


@pytest.mark.parametrize("page", [page for page in PAGES if list(commands(page))], ids=name_of)
def test_every_command_has_the_options_that_it_is_shown_with(page):
    for words in commands(page):
        command = typer.main.get_command(app)
        while hasattr(command, "get_command") and words and (found := command.get_command(None, words[0])):
            command, words = found, words[1:]
        known = {name for parameter in command.params for name in parameter.opts} | {"--help"}
        used = {word.split("=")[0] for word in words if word.startswith("-")}
        assert used <= known, f"aimanga {command.name} has no {used - known}"


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=name_of)
def test_every_name_in_the_code_exists(page):
    for block in blocks(page, "python"):
        names = {"aimanga": import_module("aimanga")} if "import aimanga" in block else {}
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("aimanga"):
                names |= {alias.name: getattr(import_module(node.module), alias.name) for alias in node.names}
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in names:
                assert hasattr(names[node.value.id], node.attr), f"{node.value.id}.{node.attr}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    for link, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)(#[^)\s]*)?\)", text):
        target = (page.parent / link) if link else page
        assert target.exists(), link
        if anchor:
            heads = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
            assert anchor[1:] in {re.sub(r"[^\w -]", "", head).strip().lower().replace(" ", "-") for head in heads}


def test_the_api_page_has_every_public_name():
    text = (ROOT / "docs" / "python-api.md").read_text()
    for module_name, name in re.findall(r"^::: (aimanga[\w.]*)\.(\w+)$", text, re.MULTILINE):
        assert name == "errors" or hasattr(import_module(module_name), name)
    text += (ROOT / "src" / "aimanga" / "errors.py").read_text()
    assert [name for name in aimanga.__all__ if not re.search(rf"\b{name}\b", text)] == ["__version__"]
