import pytest

from aimanga.errors import ModelError, UsageError
from aimanga.problems import Problems


def test_nothing_is_refused_where_there_is_no_problem():
    problems = Problems()
    with problems.noting("a"):
        pass
    assert not problems
    problems.refuse("b")


def test_all_problems_are_one_error_with_their_places():
    problems = Problems()
    problems.add("one", "two")
    with problems.noting("line 3"):
        raise ModelError("three")
    with problems.noting():
        raise UsageError("four")
    assert list(problems) == ["one", "two", "line 3: three", "four"]
    with pytest.raises(UsageError, match=r"^recipe: one; two; line 3: three; four$"):
        problems.refuse("recipe")


def test_only_the_wanted_kinds_are_collected():
    problems = Problems()
    with pytest.raises(OSError), problems.noting():
        raise OSError("disk")
    with problems.noting("disk", OSError):
        raise OSError("full")
    with pytest.raises(ModelError, match="disk: full"):
        problems.refuse(kind=ModelError)


def test_a_long_list_says_how_many_more_there_are():
    problems = Problems(most=2)
    problems.add(*"abcde")
    assert str(problems) == "a; b and 3 more"
