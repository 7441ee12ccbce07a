"""The dry runs of a study: one of each training, before the first case."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from greenbench.execute.progress import Progress, ProgressCallback
from greenbench.execute.run import Bench
from greenbench.spec.case import Case
from greenbench.study.catalog import Catalog
from greenbench.study.foreign import beside


def dry_run(cases: Iterable[Case], catalog: Catalog, bench: Bench, progress: ProgressCallback) -> None:
    """Try each of some trainings, workload by workload; see `greenbench.execute.dry_run.DryRuns`.

    Raises
    ------
    UserError
        For the first that fails.
    """
    from greenbench.execute.dry_run import DryRuns

    ordered = sorted(cases, key=lambda case: case.workload)
    done = 0
    for name, members in groupby(ordered, lambda case: case.workload):
        attempt = DryRuns(catalog.workloads[name], bench.data_root)
        for case in members:
            progress(Progress(done, len(ordered), case.id))
            with beside(*catalog.folders(case.technique, case.workload)):
                attempt(case, catalog.technique(case.technique))
            done += 1
            progress(Progress(done, len(ordered), case.id))
