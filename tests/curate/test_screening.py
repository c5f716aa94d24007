"""Thresholds: typed, named, and about numbers that exist."""

from dataclasses import fields, replace

import pytest

from aimanga.config import load, write_toml
from aimanga.curate.measure import Measures
from aimanga.curate.screening import Screening, limits
from aimanga.errors import UsageError

NUMBERS = Measures(
    width=800, height=600, detail=20.0, flatness=0.1, sharpness=-3.0, blockiness=0.1, noise=1.0, clipping=0.0,
    colourfulness=40.0, text=0.0,
)  # fmt: skip


def test_each_limit_is_about_a_number_that_is_measured():
    names = {field.name for field in fields(Measures)} | {"side"}
    found = list(limits(Screening()))
    assert {limit.measure for limit in found} <= names
    assert {limit.option for limit in found} | {"per_scene"} == set(Screening.model_fields)


def test_limits_in_words():
    by_name = {limit.option: limit for limit in limits(Screening())}
    for name, number, words in (
        ("detail", 7.999, "detail 7.999 is below 8"),
        ("detail", 8, None),
        ("noise", 4.25, "noise 4.25 is above 4"),
        ("noise", 4.00001, "noise 4.00001 is above 4"),
        ("noise", 4, None),
        ("height", 255, "side 255 is below 256"),
    ):
        limit = by_name[{"detail": "min_detail", "noise": "max_noise", "height": "min_side"}[name]]
        assert limit.failed_by(replace(NUMBERS, **{name: number})) == words
    assert all(limit.failed_by(NUMBERS) is None for limit in limits(Screening()))


def test_a_file_of_thresholds(tmp_path):
    path = tmp_path / "mine.toml"
    write_toml(Screening(max_noise=7), path)
    assert load(Screening, path) == Screening(max_noise=7)
    path.write_text("max_noise = -1\nmin_details = 3\n")
    with pytest.raises(UsageError, match=r"1, max_noise: .*or equal to 0; line 2, min_details: there is no such key"):
        load(Screening, path)


def test_every_threshold_is_explained():
    assert all(field.description for field in Screening.model_fields.values())
