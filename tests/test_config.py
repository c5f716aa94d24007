import pytest

from aimanga.config import Config, Range, key_lines, load, write_toml
from aimanga.errors import UsageError


class Inner(Config):
    """A part."""

    span: Range = (1.0, 2.0)
    """From where to where."""


class Outer(Config):
    """The whole."""

    name: str
    """What it is called, "in quotes", over
    several lines."""
    parts: tuple[Inner, ...] = ()
    """The parts."""
    left_out: Inner | None = None
    """May be missing."""


def test_every_problem_is_named_at_once_and_where(tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text('nam = "x"\n[[parts]]\nspan = [2, 1]\n[[parts]]\nspan = [1, inf]\n')
    with pytest.raises(UsageError) as caught:
        load(Outer, path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    for problem in (
        "name: Field required", "line 1, nam: there is no such key", "the lower end 2 is above the upper end 1",
        "line 5, parts.1.span.1: ", "finite",
    ):  # fmt: skip
        assert problem in message
    assert "\n" not in message


def test_a_missing_key_is_looked_for_in_its_table(tmp_path):
    class Whole(Config):
        """A whole."""

        part: Outer
        """A part of it."""

    path = tmp_path / "bad.toml"
    path.write_text("\n[part]\nparts = []\n")
    with pytest.raises(UsageError, match=r"line 2, part\.name: Field required"):
        load(Whole, path)


def test_the_lines_of_keys():
    text = '''description = """
a = 1
[not.a.table]
"""
scale = 4
[data]
"batch size" = 3
[[data.sources]]
path = "a"  # [[data.sources]]
options = { a = 1 }
[[data.sources]]
path = "b"
[data.sources.more]
q.r = [
  "1",
]
'''
    assert key_lines(text) == {
        ("description",): 1, ("scale",): 5, ("data",): 6, ("data", "batch size"): 7,
        ("data", "sources"): 8, ("data", "sources", 0): 8,
        ("data", "sources", 0, "path"): 9, ("data", "sources", 0, "options"): 10,
        ("data", "sources", 1): 11, ("data", "sources", 1, "path"): 12, ("data", "sources", 1, "more"): 13,
        ("data", "sources", 1, "more", "q"): 14, ("data", "sources", 1, "more", "q", "r"): 14,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"name =", "not a TOML file"), (b"\xff\xfe", "not a TOML file"), (None, "No such file or directory")],
)
def test_what_is_no_toml_is_refused(tmp_path, content, message):
    path = tmp_path / "file.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=message):
        load(Outer, path)


def test_what_is_written_is_read_again(tmp_path):
    config = Outer(name='of "quotes",\n two lines and \\ umlauts: ä', parts=(Inner(span=(0.1, 0.2)), Inner()))
    path = tmp_path / "written.toml"
    write_toml(config, path, "A comment\nof two lines")
    assert path.read_text().startswith("# A comment\n# of two lines\n")
    assert load(Outer, path) == config


def test_it_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        Inner().span = (1, 2)
