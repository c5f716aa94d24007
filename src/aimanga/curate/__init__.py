"""Keep the pictures that are worth learning from: measure, decide, hand out, show why."""

from aimanga.curate.crops import Crop, detail_areas
from aimanga.curate.files import (
    CurateOptions,
    CuratePlan,
    CurateReport,
    Decisions,
    curate_files,
    decide,
    opened,
    plan_curation,
    run_curation,
)
from aimanga.curate.manifest import Line, SavedCrop, read_manifest
from aimanga.curate.measure import Measured, Measures, measure
from aimanga.curate.outputs import Pictures
from aimanga.curate.screening import Screening, changed
from aimanga.curate.select import Candidate, Keep, Reason, select

__all__ = [
    "Candidate",
    "Crop",
    "CurateOptions",
    "CuratePlan",
    "CurateReport",
    "Decisions",
    "Keep",
    "Line",
    "Measured",
    "Measures",
    "Pictures",
    "Reason",
    "SavedCrop",
    "Screening",
    "changed",
    "curate_files",
    "decide",
    "detail_areas",
    "measure",
    "opened",
    "plan_curation",
    "read_manifest",
    "run_curation",
    "select",
]
