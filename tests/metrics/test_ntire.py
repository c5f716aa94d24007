import pytest
import torch

from aimanga.metrics.ntire import PARTS, perceptual_score


def test_a_case_by_hand():
    scores = {"lpips": 0.2, "dists": 0.1, "clip_iqa": 0.7, "maniqa": 0.4, "musiq": 65.0, "niqe": 4.0}
    assert set(scores) == set(PARTS)
    tensors = {name: torch.tensor([score, score / 2], dtype=torch.float64) for name, score in scores.items()}
    first, second = 0.8 + 0.9 + 0.7 + 0.4 + 0.65 + 0.6, 0.9 + 0.95 + 0.35 + 0.2 + 0.325 + 0.8
    assert perceptual_score(tensors).tolist() == pytest.approx([first, second])


def test_the_term_of_niqe_is_never_negative():
    scores = dict.fromkeys(PARTS, torch.zeros(3))
    assert perceptual_score(scores | {"niqe": torch.tensor([10.0, 10.5, 55.0])}).tolist() == [2, 2, 2]
