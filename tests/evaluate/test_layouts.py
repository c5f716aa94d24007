import numpy as np
import pytest

from aimanga.errors import UsageError
from aimanga.evaluate import read_test_set
from aimanga.images import Picture, write


@pytest.fixture
def made(tmp_path):
    """Make small pictures under these paths."""

    def make(*names):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write(Picture(np.zeros((4, 4, 3), np.uint8)), path)
        return tmp_path

    return make


def told(found):
    return [
        (
            case.name,
            case.low.relative_to(found.folder).as_posix(),
            None if case.high is None else case.high.relative_to(found.folder).as_posix(),
            case.category,
        )
        for case in found.cases
    ]


def test_set5_as_it_is(shared_data):
    found = read_test_set(shared_data / "set5")
    assert (found.layout, found.scale) == ("pairs", 4)
    assert [case.name for case in found.cases] == ["baby", "bird", "butterfly", "head", "woman"]
    assert told(found)[0] == ("baby", "LRx4/babyx4.png", "HR/baby.png", None)


def test_realsr_as_it_is_published(made):
    folder = made(
        *(f"{camera}/Test/4/{camera}_00{n}_{kind}.png" for camera in ("Canon", "Nikon") for n in (1, 2)
          for kind in ("HR", "LR4"))
    )  # fmt: skip
    found = read_test_set(folder)
    assert (found.layout, found.scale) == ("realsr", 4)
    assert told(found)[:3] == [
        ("Canon_001", "Canon/Test/4/Canon_001_LR4.png", "Canon/Test/4/Canon_001_HR.png", "Canon"),
        ("Canon_002", "Canon/Test/4/Canon_002_LR4.png", "Canon/Test/4/Canon_002_HR.png", "Canon"),
        ("Nikon_001", "Nikon/Test/4/Nikon_001_LR4.png", "Nikon/Test/4/Nikon_001_HR.png", "Nikon"),
    ]


def test_realsr_has_several_scales(made):
    folder = made("2/a_HR.png", "2/a_LR2.png", "4/a_HR.png", "4/a_LR4.png")
    assert told(read_test_set(folder, scale=2)) == [("a", "2/a_LR2.png", "2/a_HR.png", None)]
    with pytest.raises(UsageError, match="RealSR's layout, of scale 2, 4; _LR3 was expected"):
        read_test_set(folder, scale=3)


def test_an_incomplete_realsr_is_told(made):
    with pytest.raises(UsageError, match=r"the layout realsr is not complete: .*b_LR4\.png has no partner"):
        read_test_set(made("4/a_HR.png", "4/a_LR4.png", "4/b_LR4.png"))


def test_div2k_as_the_challenge_lays_it_out(made):
    folder = made(
        "DIV2K_valid_HR/0801.png", "DIV2K_valid_HR/0802.png", "DIV2K_valid_LR_bicubic/X4/0801x4.png",
        "DIV2K_valid_LR_bicubic/X4/0802x4.png", "DIV2K_valid_LR_bicubic/X2/0801x2.png",
    )  # fmt: skip
    found = read_test_set(folder)
    assert (found.layout, found.scale) == ("div2k", 4)
    assert told(found) == [
        ("0801", "DIV2K_valid_LR_bicubic/X4/0801x4.png", "DIV2K_valid_HR/0801.png", None),
        ("0802", "DIV2K_valid_LR_bicubic/X4/0802x4.png", "DIV2K_valid_HR/0802.png", None),
    ]
    with pytest.raises(UsageError, match="NAMEx3 was expected"):
        read_test_set(folder, scale=3)


def test_div2k_of_the_test_has_no_true_pictures(made):
    found = read_test_set(made("DIV2K_test_LR_bicubic/X4/0901x4.png"))
    assert (found.layout, found.scale, told(found)[0][2]) == ("div2k", None, None)


def test_pairs_have_partners(made):
    folder = made("HR/a.png", "HR/b.png", "LR/a.jpg", "LR/c.jpg")
    with pytest.raises(UsageError, match=r"the layout pairs is not complete: .*c\.jpg has no partner in .*HR"):
        read_test_set(folder)


def test_pairs_of_several_scales_and_folders_within(made):
    folder = made("GT/x/a.png", "LRx2/x/a.png", "LRx4/x/a.png")
    assert told(read_test_set(folder)) == [("a", "LRx4/x/a.png", "GT/x/a.png", "x")]
    assert told(read_test_set(folder, scale=2)) == [("a", "LRx2/x/a.png", "GT/x/a.png", "x")]


def test_a_folder_that_is_nearly_pairs_is_told(made):
    with pytest.raises(
        UsageError, match="one folder HR and one folder LR, or LRx4, were expected; there are HR, other"
    ):
        read_test_set(made("HR/a.png", "other/a.png"))


def test_any_other_folder_is_pictures(made):
    found = read_test_set(made("a.png", "x/b.jpg", "y/b.jpg"))
    assert (found.layout, found.scale) == ("pictures", None)
    assert told(found) == [("a", "a.png", None, None), ("x_b", "x/b.jpg", None, None), ("y_b", "y/b.jpg", None, None)]


def test_what_is_none_at_all(tmp_path):
    with pytest.raises(UsageError, match="there is no such folder"):
        read_test_set(tmp_path / "gone")
    with pytest.raises(UsageError, match="no pictures found"):
        read_test_set(tmp_path)
    (tmp_path / "manifest.json").write_text('{"pictures": 3}')
    with pytest.raises(UsageError, match="no manifest of a test set"):
        read_test_set(tmp_path)
