"""Write the tree of modules into docs/architecture.md: one line each, the first line of its docstring.

python docs/tree.py
"""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "architecture.md"
BLOCK = re.compile(r"(?<=<!-- tree -->\n).*?(?=<!-- end of the tree -->)", re.DOTALL)


def tree(package: Path) -> str:
    """The modules of a package as a nested list, folders first."""
    return "\n".join(_lines(package, 0)) + "\n"


def _lines(folder: Path, depth: int) -> list[str]:
    entries = [path for path in folder.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()]
    lines = [_line(folder.name + "/", folder / "__init__.py", depth)]
    for path in sorted(entries, key=lambda path: (path.is_file(), path.name)):
        if path.is_dir():
            lines += _lines(path, depth + 1)
        elif path.name != "__init__.py":
            lines.append(_line(path.name, path, depth + 1))
    return lines


def _line(name: str, module: Path, depth: int) -> str:
    docstring = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or ""
    return f"{'    ' * depth}- `{name}`: {docstring.partition(chr(10))[0]}"


def main() -> None:
    """Bring the page up to date."""
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(BLOCK.sub(lambda _: tree(ROOT / "src" / "aimanga"), page), encoding="utf-8")


if __name__ == "__main__":
    main()
