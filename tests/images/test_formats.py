from pathlib import Path

import pytest

from aimanga.errors import PictureError, UsageError
from aimanga.images import FORMATS, READABLE_SUFFIXES, format_named, format_of, output_suffix


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_every_suffix_and_name_of_a_format_leads_to_it(form):
    for suffix in form.suffixes:
        assert format_of(Path(f"a{suffix.upper()}")) is form
        assert format_named(suffix) is format_named(suffix[1:].upper()) is form
        assert output_suffix(Path(f"a{suffix}")) == suffix
        assert suffix in READABLE_SUFFIXES
    assert format_named(form.name) is form


def test_what_is_read_but_not_written_becomes_png():
    assert output_suffix(Path("a.gif")) == output_suffix(Path("a.heic")) == output_suffix(Path("a")) == ".png"


def test_unknown_formats_are_refused_with_the_known_ones():
    with pytest.raises(PictureError, match=r"\.psd.*|.*\.png .*\.psd"):
        format_of(Path("a.psd"))
    with pytest.raises(UsageError, match="--format psd: .*png, jpg, webp, tiff, avif"):
        format_named("psd")
