import pytest

from aimanga.errors import UsageError
from aimanga.evaluate.references import find_references


@pytest.fixture
def folder(tmp_path):
    for name in ("baby.png", "bird.png", "bird.jpg", "sub/head.bmp", "notes.txt", "0801.png"):
        path = tmp_path / "HR" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "HR"


@pytest.mark.parametrize(
    ("picture", "reference"),
    [
        ("baby.png", "baby.png"),
        ("baby.webp", "baby.png"),
        ("bird.jpg", "bird.jpg"),
        ("babyx4.png", "baby.png"),
        ("baby_x4.jpg", "baby.png"),
        ("baby-X4.png", "baby.png"),
        ("0801x4.png", "0801.png"),
        ("deep/head.png", "sub/head.bmp"),
    ],
)
def test_names_that_belong_together(folder, tmp_path, picture, reference):
    path = tmp_path / "SR" / picture
    assert find_references([path], folder, 4) == {path: folder / reference}


def test_mirrored_folders(tmp_path):
    for folder in ("SR/a", "SR/b", "HR/a", "HR/b"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "1.png").touch()
    pictures = [tmp_path / "SR/a/1.png", tmp_path / "SR/b/1.png"]
    assert list(find_references(pictures, tmp_path / "HR", 4).values()) == [
        tmp_path / "HR/a/1.png",
        tmp_path / "HR/b/1.png",
    ]
    with pytest.raises(UsageError, match=r"SR/a/1.png \(only itself\)"):
        find_references(pictures, tmp_path / "SR", 4)


def test_one_file_is_the_reference_of_all(folder, tmp_path):
    pictures = [tmp_path / "a.png", tmp_path / "b.png"]
    assert find_references(pictures, folder / "baby.png", 4) == dict.fromkeys(pictures, folder / "baby.png")


def test_all_that_have_none_or_several_are_named_at_once(folder, tmp_path):
    pictures = [tmp_path / name for name in ("cat.png", "bird.webp", "baby.png")]
    with pytest.raises(UsageError) as error:
        find_references(pictures, folder, 4)
    for part in (str(pictures[0]), f"{pictures[1]}: ", "bird.jpg or bird.png?"):
        assert part in str(error.value).replace(str(folder) + "/", "")
    assert "baby" not in str(error.value)
    with pytest.raises(UsageError, match="and 2 more"):
        find_references([tmp_path / f"{n}.png" for n in range(7)], folder, 4)
    with pytest.raises(UsageError, match="no such file or folder"):
        find_references(pictures, folder / "nothing", 4)
