from pathlib import Path

from aimanga.batch import Job, Record
from aimanga.batch.watcher import reporting


class Watcher:
    def __init__(self):
        self.told = []

    def started(self, job):
        self.told.append("started")

    def advanced(self, job, share):
        self.told.append(share)

    def finished(self, job, record):
        self.told.append(record.status)


def test_a_report_is_appended_to_and_everything_is_handed_on(tmp_path):
    job, report = Job(Path("a"), Path("b")), tmp_path / "folder" / "report.txt"
    for _ in range(2):
        watcher = Watcher()
        with reporting(report, watcher, lambda record: f"{record.file} \udcff ü") as watching:
            watching.started(job)
            watching.advanced(job, 0.5)
            watching.finished(job, Record(job.source, job.target, "done"))
            assert report.read_text(encoding="utf-8").endswith("a \\udcff ü\n"), "it is not written at once"
        assert watcher.told == ["started", 0.5, "done"]
    assert report.read_text(encoding="utf-8").count("\n") == 2


def test_without_a_report_the_watcher_is_itself():
    watcher = Watcher()
    with reporting(None, watcher) as watching:
        assert watching is watcher
