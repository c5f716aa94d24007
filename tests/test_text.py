import pytest

from aimanga.text import counted, duration, file_size, listed, ordinal, printable


def test_nouns_agree_with_their_numbers():
    counts = [counted(n, "picture") for n in (0, 1, 2, 1200)]
    assert counts == ["0 pictures", "1 picture", "2 pictures", "1,200 pictures"]
    assert counted(2, "has", "have") == "2 have"


def test_long_lists_say_how_many_more_there_are():
    assert listed("abc", 3) == "a, b, c"
    assert listed("abcd", 3) == "a, b, c and 1 more"
    assert listed([], 3) == ""


@pytest.mark.parametrize(
    ("number", "text"),
    [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (13, "13th"), (21, "21st"), (112, "112th")],
)
def test_ordinals(number, text):
    assert ordinal(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(6.71, "6.7 s"), (59.94, "59.9 s"), (125, "2 min 5 s"), (12_000, "3 h 20 min"), (216_000, "2.5 days")],
)
def test_times(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(("count", "text"), [(350, "350 B"), (3500, "4 kB"), (12e6, "12 MB"), (1.5e9, "1.5 GB")])
def test_sizes(count, text):
    assert file_size(count) == text


def test_what_a_terminal_would_obey_is_escaped():
    assert printable("a\x1b[2J\nb\udcff") == "a\\x1b[2J\\nb\\udcff"
