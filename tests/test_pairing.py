"""The rule for pairs, through all that pair pictures: no picture is compared with another one's ground truth."""

import unicodedata
from pathlib import Path, re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimanga.benchmark.matching import match_results
from aimanga.errors import UsageError
from aimanga.evaluate import Case, evaluate, read_test_set
from aimanga.evaluate.references import find_references
from aimanga.pairing import hr_name, lr_name, pair
from aimanga.train.reading import load_train_recipe
from aimanga.train.sources import find_sets
from tests.conftest import ROOT


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


class TestTheFox:
    """`fox1` and `fox2` end in what looks like a scale, and are not two sizes of one `fo`."""

    def test_in_a_test_set(self, tmp_path):
        touch(tmp_path, "HR/fox1.png", "HR/fox2.png", "LR/fox1.png", "LR/fox2.png")
        found = {case.low.name: case.high.name for case in read_test_set(tmp_path).cases}
        assert found == {"fox1.png": "fox1.png", "fox2.png": "fox2.png"}

    @pytest.mark.parametrize(("result", "reference"), [("fox2", "fo"), ("foxx1", "fox"), ("foxx12", "fox")])
    def test_in_references(self, tmp_path, result, reference):
        touch(tmp_path / "HR", f"{reference}.png")
        with pytest.raises(UsageError, match=f"{result}.png"):
            find_references([tmp_path / f"{result}.png"], tmp_path / "HR", 4)

    @pytest.mark.parametrize("result", ["fox2", "fox2_out", "foxx1", "fox1x2"])
    def test_in_results(self, tmp_path, result):
        touch(tmp_path, f"{result}.png")
        assert not match_results([Case("fox1", Path("fox1.png"), None, None)], tmp_path, 4, "mine")

    def test_in_methods_without_references(self, tmp_path):
        touch(tmp_path, "a/fox1.png", "b/fox2.png")
        with pytest.raises(UsageError, match="fox"):
            evaluate([tmp_path / "a", tmp_path / "b"], tmp_path / "out", metrics=["brisque"])


def by_references(folder, scale, hr, lr):
    found = find_references([folder / "LR" / name for name in lr], folder / "HR", scale)
    return {str(low.relative_to(folder / "LR")): str(high.relative_to(folder / "HR")) for low, high in found.items()}


def by_layout(folder, scale, hr, lr):
    found = read_test_set(folder, scale=scale)
    return {str(case.low.relative_to(folder / "LR")): str(case.high.relative_to(folder / "HR")) for case in found.cases}


def by_results(folder, scale, hr, lr):
    cases = {hr_name(folder / "HR" / name, folder / "HR").shortest.replace("/", "_"): name for name in hr}
    found = match_results(
        [Case(name, Path("LR", hr), None, None) for name, hr in cases.items()], folder / "LR", scale, "theirs"
    )
    if found.keys() != cases.keys():
        raise UsageError("a result is missing")
    return {str(path.relative_to(folder / "LR")): cases[name] for name, path in found.items()}


def by_training(folder, scale, hr, lr):
    recipe = folder / "recipe.toml"
    recipe.write_text(
        f"[data]\ncrop = 32\ndegradation = 'bicubic'\n[[data.sources]]\npath = '{folder / 'HR'}'\n"
        f"lr = '{folder / 'LR'}'\n[losses]\npixel = {{}}\n[train]\niterations = 5\nbatch_size = 2\n"
    )
    [found] = find_sets(load_train_recipe(recipe), scale)
    return {str(item.lr.relative_to(folder / "LR")): str(item.file.relative_to(folder / "HR")) for item in found.items}


@pytest.fixture(params=[by_references, by_layout, by_results, by_training])
def paired(request, tmp_path):
    """Pair files by one of those who do: LR or results to HR; None where it refuses."""

    def pairs(hr, lr, scale=4):
        touch(tmp_path, *(f"HR/{name}" for name in hr), *(f"LR/{name}" for name in lr))
        try:
            return request.param(tmp_path, scale, hr, lr)
        except UsageError:
            return None

    return pairs


NFC, NFD = (unicodedata.normalize(form, "k\u00e4se") for form in ("NFC", "NFD"))


@pytest.mark.parametrize(
    ("hr", "lr"),
    [
        # an equal stem
        ("baby", "baby"), ("baby", "baby.bmp"), ("baby", "baby.JPG"), ("fox4", "fox4"), ("x4", "x4"),
        ("logo_out", "logo_out"), ("photo_HR", "photo_HR"), ("img.v1", "img.v1"), (NFC, NFD), (NFD, NFC),
        # Set5, Set14, BSD100, Urban100 as several papers name them
        ("baby", "babyx4"), ("baby", "baby_x4"), ("baby", "baby-x4"), ("baby", "baby.x4"), ("baby", "baby X4"),
        ("baby", "baby_4x"), ("img_001_SRF_4_HR", "img_001_SRF_4_LR"), ("img_001", "img_001_SRF_4_LR"),
        # DIV2K, RealSR, DRealSR and others
        ("0801", "0801x4"), ("Canon_001_HR", "Canon_001_LR4"), ("Canon_001_HR", "Canon_001"), ("a_HR", "a_LR"),
        ("a_GT", "a_LQ"), ("a_gt", "a_lq"), ("a", "a_LR"), ("a", "a_LRx4"), ("a", "a_LR_x4"), ("a", "a_LRBI_x4"),
        ("a", "a_LRBD_x4"), ("a", "a_bicLRx4"), ("a_HR", "a_bicLRx4"),
        # results of programs
        ("baby", "baby_out"), ("baby", "babyx4_out"), ("baby", "baby_SwinIR"), ("baby", "babyx4_SwinIR.jpg"),
        ("baby", "baby_x4_SR"), ("baby_x4_HR", "baby_x4_SR"), ("baby", "baby_SRx4"), ("baby", "baby_rlt"),
        ("baby", "baby_upscayl_4x"), ("0014", "0014_BSRGAN"), ("Canon_001_HR", "Canon_001_LR4_out"),
        # names that end like that themselves
        ("fox4", "fox4x4"), ("fox4", "fox4_out"), ("logo_out", "logo_out_out"), ("img.v1", "img.v1x4"),
        ("photo 1 (2)", "photo 1 (2)_x4"), ("\u6f2b\u753b_01", "\u6f2b\u753b_01x4"), (NFC, f"{NFD}x4"),
    ],
)  # fmt: skip
def test_a_pair(paired, hr, lr):
    hr, lr = (name if Path(name).suffix in (".bmp", ".JPG", ".jpg") else f"{name}.png" for name in (hr, lr))
    assert paired([hr], [lr]) == {lr: hr}


@pytest.mark.parametrize(
    ("hr", "lr"),
    [
        ("fo", "fox1"), ("fo", "fox2"), ("fox", "foxx1"), ("fox", "foxx2"), ("fox", "foxx12"), ("fox1", "fox2"),
        ("fox1", "fox2_out"), ("fox1", "fox2x4"), ("fox4", "fo"), ("fox4", "fo_x4"), ("fox", "fox4"),
        ("baby", "babyx2"), ("baby", "baby_x3"), ("baby", "babyx40"), ("baby", "babyx14"), ("baby", "baby4"),
        ("baby", "x4baby"), ("baby", "Baby"), ("baby", "BABYx4"), ("baby", "baby_"), ("baby", "baby_bicubic"),
        ("baby", "babyx4_best"), ("baby", "baby_out_2"), ("baby", "babyout"), ("baby_x4", "baby"),
        ("img_1", "img_10"), ("img_1", "img_1_2"), ("img_1", "img_10_out"), ("img_1", "img_1_2_out"),
        ("Canon_001_HR", "Canon_001_LR2"), ("Canon_001_HR", "Canon_002_LR4"), ("a", "a_LRx2"), ("a", "a_LRBI_x3"),
        ("img_001_SRF_4_HR", "img_001_SRF_2_LR"), (NFC, "kase"),
    ],
)  # fmt: skip
def test_no_pair(paired, hr, lr):
    assert paired([f"{hr}.png"], [f"{lr}.png"]) is None


def same(*names, ending):
    return [f"{name}.png" for name in names], [f"{name}{ending}.png" for name in names]


@pytest.mark.parametrize(
    ("hr", "lr", "scale"),
    [
        (*same("fox1", "fox2", "fox3", "fox4", ending=""), 4), (*same("fox1", "fox2", "fox3", "fox4", ending="x4"), 4),
        (*same("fox1", "fox2", "fox3", "fox4", ending="_out"), 4), (*same("fox1", "fox2", ending="x2"), 2),
        (*same("fox", "foxx1", "foxx2", ending="x3"), 3), (*same("img_1", "img_10", "img_1_2", ending="_out"), 4),
        (*same("a/1", "b/1", ending=""), 4), (*same("a/1", "b/1", "b/2", ending="x4"), 4),
        (*same("fo", "fox4", ending="_LR4"), 4), (*same("door", "door_out", ending="x4"), 4),
    ],
)  # fmt: skip
def test_whole_sets(paired, hr, lr, scale):
    assert paired(hr, lr, scale) == dict(zip(lr, hr, strict=True))


@pytest.mark.parametrize(
    ("hr", "lr"),
    [
        (["baby.png"], ["babyx4.png", "baby_x4.png"]),
        (["baby.png"], ["baby.png", "baby.jpg"]),
        (["a/1.png", "b/1.png"], ["a/1.png", "c/1.png"]),
        # The result of `fo` is called as the other picture.
        (["fo.png", "fox4.png"], ["fox4.png", "fox4x4.png"]),
        (["door.png", "door_out.png"], ["door_out.png", "door_out_out.png"]),
    ],
)
def test_what_is_not_clear_is_refused(paired, hr, lr):
    assert paired(hr, lr) is None


@given(
    st.sets(st.text("fox14_", min_size=1, max_size=6), min_size=1, max_size=8),
    st.sampled_from(["", "x4", "_x4", "_out", "_LR4", "x4_out", "_SR", "_LRBI_x4"]),
)
def test_never_a_wrong_pair(names, ending):
    """Of complete sets each picture has its own partner or none, whatever the names, in both directions."""
    hr = {Path(f"{name}.png"): hr_name(Path(f"{name}.png")) for name in names}
    lr = {Path(f"{name}{ending}.png"): lr_name(Path(f"{name}{ending}.png"), 4) for name in names}
    for seekers, files, back in ((lr, hr, False), (hr, lr, True)):
        pairs = pair(seekers, files)
        # Where all are found, none is wrong; where one is not, callers refuse the set.
        if len(pairs.found) == len(names):
            for one, other in pairs.found.items():
                low, high = (other, one) if back else (one, other)
                assert low.stem == high.stem + ending


def test_both_names_are_said(tmp_path):
    touch(tmp_path / "HR", "baby.png", "bird.png", "bird.jpg")
    pictures = [tmp_path / name for name in ("baby_out.png", "babyx4.png", "bird.webp")]
    with pytest.raises(UsageError) as caught:
        find_references(pictures, tmp_path / "HR", 4)
    assert f"{tmp_path}/HR/baby.png: {tmp_path}/baby_out.png or {tmp_path}/babyx4.png?" in str(caught.value)
    assert f"{tmp_path}/bird.webp: {tmp_path}/HR/bird.jpg or {tmp_path}/HR/bird.png?" in str(caught.value)


@pytest.mark.parametrize("file", ["baby_Mine v2.png", "babyx4_Mine v2.png", "baby_mine v2_x4.png"])
def test_a_result_may_have_the_name_of_its_method(tmp_path, file):
    touch(tmp_path, file)
    baby = Case("baby", Path("LR/babyx4.png"), None, None)
    assert match_results([baby], tmp_path, 4, "Mine v2") == {"baby": tmp_path / file}
    assert not match_results([baby], tmp_path, 4, "Mine")


def test_there_is_no_second_rule():
    """Nothing else looks for a scale or a kind of picture at the end of a name; layouts are recognized by them."""
    for module in (ROOT / "src" / "aimanga").rglob("*.py"):
        if module.name not in ("pairing.py", "layouts.py"):
            assert not re.search(r"""re\.compile\(.*(x\\d|LR|HR|_out)""", module.read_text(encoding="utf-8")), module
