"""Keep the pictures that are worth learning from: measure, decide, hand out, show why."""

from aimanga.curate.crops import Crop, detail_areas
from aimanga.curate.files import (
    CurateReport,
    Decisions,
    curate_files,
    decide,
    opened,
    run_curation,
)
from aimanga.curate.manifest import Line, SavedCrop, read_manifest
from aimanga.curate.measure import Measured, Measures, measure
from aimanga.curate.outputs import Pictures
from aimanga.curate.plan import CurateOptions, CuratePlan, plan_curation
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
