"""Every sample of a split, decoded: which cannot be used, and how often each label is there."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np

from greenbench.data.decoding import CURE
from greenbench.data.samples import Samples
from greenbench.errors import UserError
from greenbench.spec.workload import Split, Workload

AT_ONCE = 512
"""Samples that are handed to the threads together, so that a million of them are not."""


@dataclass(frozen=True)
class CheckedSplit:
    """What was found in a split.

    Attributes
    ----------
    samples
        How many were decoded, or could not be.
    faults
        Why some cannot be used: a sentence each, which names the file.
    next_step
        What to do about the first.
    labels
        How many samples have each label, or how many pixels where targets are masks; empty for other targets.
    ignored
        Pixels that do not count.
    """

    samples: int
    faults: tuple[str, ...] = ()
    next_step: str = ""
    labels: tuple[int, ...] = ()
    ignored: int = 0


def check_split(
    samples: Samples, split: Split, workload: Workload, tick: Callable[[int], None]
) -> CheckedSplit:
    """Decode every sample, from its file and not from the cache.

    Parameters
    ----------
    samples
        What ``workload.samples`` returned. All cores decode those that are ``thread_safe``.
    split, workload
        Whose they are.
    tick
        Is told how many are done.
    """
    decode = getattr(samples, "decode", samples.__getitem__)

    def counted(index: int) -> UserError | np.ndarray:
        try:
            return _labels(decode(index)[1], f"sample {index} of the {split} data", workload)
        except UserError as error:
            return error
        except Exception as error:  # of a user's own data set
            return UserError(f"sample {index} of the {split} data: {type(error).__name__}: {error}", CURE)

    total, errors = np.zeros(0, np.int64), []
    threads = len(os.sched_getaffinity(0)) if getattr(samples, "thread_safe", False) else 1
    with closing(_each(counted, len(samples), threads)) as results:
        for done, found in enumerate(results, start=1):
            tick(done)
            if isinstance(found, UserError):
                errors.append(found)
            else:
                longest = max(len(total), len(found))
                total = np.pad(total, (0, longest - len(total))) + np.pad(found, (0, longest - len(found)))
    errors += _together(samples) if not errors else []
    ignored = 0
    if workload.ignore_index is not None and workload.ignore_index < len(total):
        ignored = int(total[workload.ignore_index])
        total = total[: workload.num_classes or workload.ignore_index]
    return CheckedSplit(
        len(samples),
        tuple(error.problem for error in errors),
        errors[0].next_step if errors else "",
        tuple(total.tolist()),
        ignored,
    )


def _each(
    function: Callable[[int], UserError | np.ndarray], count: int, threads: int
) -> Generator[UserError | np.ndarray, None, None]:
    """Yield a function of 0 to `count` - 1, in order."""
    if threads == 1:
        yield from map(function, range(count))
        return
    pool = ThreadPoolExecutor(threads)
    try:
        for start in range(0, count, AT_ONCE):
            yield from pool.map(function, range(start, min(start + AT_ONCE, count)))
    finally:
        pool.shutdown(cancel_futures=True)


def _labels(target: Any, what: str, workload: Workload) -> np.ndarray:
    """Return how often each label is in a target; nothing where it is neither label nor mask."""
    values = np.asarray(target)
    if workload.num_classes is None or values.dtype.kind not in "iu" or values.ndim not in (0, 2):
        return np.zeros(0, np.int64)
    highest = max(workload.num_classes - 1, workload.ignore_index or 0)
    if values.size and not 0 <= values.min() <= values.max() <= highest:
        wrong = int(values.min()) if values.min() < 0 else int(values.max())
        raise _no_class(what, wrong, workload)
    counts = np.bincount(values.ravel(), minlength=workload.num_classes)
    between = np.flatnonzero(counts[workload.num_classes : workload.ignore_index])
    if len(between):
        raise _no_class(what, workload.num_classes + int(between[0]), workload)
    return counts


def _no_class(what: str, label: int, workload: Workload) -> UserError:
    return UserError(
        f"{what} has the label {label}, and the {workload.num_classes} classes have the labels 0 to "
        f"{(workload.num_classes or 0) - 1}",
        "number the classes from 0, or state num_classes=",
    )


def _together(samples: Samples) -> list[UserError]:
    """Return what is wrong with samples that are right one by one."""
    try:
        getattr(samples, "check", lambda: None)()
    except UserError as error:
        return [error]
    return []
