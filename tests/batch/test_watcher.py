from pathlib import Path

from aimanga.batch import Job, Record, Watcher
from aimanga.batch.watcher import reporting


class Listener(Watcher):
    def __init__(self):
        self.heard = []

    def on_batch(self, jobs):
        self.heard.append(len(jobs))

    def on_start(self, job):
        self.heard.append("started")

    def on_progress(self, job, share):
        self.heard.append(share)

    def on_end(self, job, record):
        self.heard.append(record.status)


def test_a_report_is_appended_to_and_everything_is_handed_on(tmp_path):
    job, report = Job(Path("a"), Path("b")), tmp_path / "folder" / "report.txt"
    for _ in range(2):
        watcher = Listener()
        with reporting(report, watcher, lambda record: f"{record.file} \udcff ü") as watching:
            watching.on_batch([job])
            watching.on_start(job)
            watching.on_progress(job, 0.5)
            watching.on_end(job, Record(job.source, job.target, "done"))
            assert report.read_text(encoding="utf-8").endswith("a \\udcff ü\n"), "it is not written at once"
        assert watcher.heard == [1, "started", 0.5, "done"]
    assert report.read_text(encoding="utf-8").count("\n") == 2


def test_without_a_report_the_watcher_is_itself():
    watcher = Listener()
    with reporting(None, watcher) as watching:
        assert watching is watcher
