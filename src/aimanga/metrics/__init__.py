"""Image quality metrics: one a file, all of them in the catalogue."""

from aimanga.metrics.catalog import METRICS, Metric, find_metric
from aimanga.metrics.scorer import Scorer, Scores, available_metrics, metric_names, missing_weights, score

__all__ = [
    "METRICS",
    "Metric",
    "Scorer",
    "Scores",
    "available_metrics",
    "find_metric",
    "metric_names",
    "missing_weights",
    "score",
]
