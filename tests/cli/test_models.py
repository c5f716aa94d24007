from aimanga.models import MODELS


def test_every_model_is_listed_with_its_licence(aimanga_cli):
    lines = aimanga_cli("models").stdout.splitlines()
    for model in MODELS:
        line = next(line for line in lines if line.startswith(model.name))
        assert model.license in line
        assert f"x{model.scale}" in line
    assert sum("(default)" in line for line in lines) == 1


def test_details_on_request(aimanga_cli):
    shown = aimanga_cli("models", "--verbose").stdout
    assert "RRDBNet" in shown
    assert "Flickr2K" in shown.replace("\n", "")
