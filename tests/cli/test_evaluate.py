import numpy as np

from aimanga.images import Picture, write


def test_two_methods_in_one_table(aimanga_cli, tmp_path):
    rng = np.random.default_rng(0)
    for folder, sigma in (("HR", 0), ("good", 2), ("bad", 9)):
        (tmp_path / folder).mkdir()
        for n in range(2):
            true = np.random.default_rng(n).integers(40, 200, (40, 44, 3))
            noisy = (true + rng.normal(0, sigma, true.shape)).clip(0, 255).astype(np.uint8)
            write(Picture(noisy), tmp_path / folder / f"{n}.png")
    command = ["evaluate", tmp_path / "good", tmp_path / "bad", "--reference", tmp_path / "HR", "-m", "psnr, ssim"]
    done = aimanga_cli(*command, "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "2 methods, 4 pictures"
    table = lines[lines.index(f"{tmp_path / 'HR'} (2 pictures)") + 1 :]
    assert table[0].split() == ["method", "PSNR", "↑", "SSIM", "↑"]
    assert [line.split()[0] for line in table[1:3]] == ["good", "bad"]
    assert float(table[1].split()[1]) > float(table[2].split()[1])
    for name in ("results.md", "results.tex", "scores.csv", "results.json"):
        assert f"written   {tmp_path / 'out' / name}" in lines
        assert (tmp_path / "out" / name).stat().st_size > 0


def test_what_cannot_be_done_is_2(aimanga_cli, tmp_path, samples):
    for arguments, message in (
        ([tmp_path / "gone", "-o", tmp_path / "out"], "gone: no such file or folder"),
        ([samples, "-o", tmp_path / "out", "-m", "psnr"], "compares with references"),
        ([samples, "-o", tmp_path / "out", "-m", "nice"], "there is no metric of this name"),
    ):
        done = aimanga_cli("evaluate", *arguments)
        assert done.returncode == 2
        assert message in done.stderr
