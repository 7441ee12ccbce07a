"""What a reader has to know of all tables, in Markdown."""

from greenbench.verdict.margins import load_margins
from greenbench.verdict.verdict import LEVEL

MARGINS = load_margins()

IN_SHORT = (
    "**Bold**: better than the baseline, or the same, by a verdict. ★: the best of those that are better. ±: half of a 95 % interval. "
    "n: runs. –: not measured."
)

LEGEND = f"""\
Scores are those after the last epoch, on validation images and on as many training images. n is the number of runs, \
each with its own seed. ± is half of a 95 % interval: of the mean over the runs, or, with one run, of its repeated \
measurements or its energy reading. – was not measured.

A verdict compares runs with those of the baseline that have the same seeds: scores by their difference, costs by the \
logarithm of their ratio. Better and worse are claims that chance makes in at most {100 * LEVEL:g} % of studies, however \
many techniques, workloads and quantities are compared. The same means: shown, as surely, to differ by less than \
{MARGINS.score_points:g} point of a score in percent, {MARGINS.score_percent:g} % of another score or \
{MARGINS.cost_percent:g} % of a cost. All else is undecided. Beside a verdict stands the difference, in points where scores are in percent, with its 95 % \
interval, taken alone. One run gives no verdict, except on what is counted. **Bold**: better than the baseline, or the same. ★: the \
best of the values in a column that are better. CO₂ has no verdict of its own.

A technique that leaves the network alone has no inference of its own."""

NOTHING_FOUND = "The audit found no impossible values."
