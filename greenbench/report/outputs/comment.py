"""The report in short, for a comment on a pull request or the summary of a job."""

from __future__ import annotations

from greenbench.report.content import Content
from greenbench.report.escape import first_of, markdown
from greenbench.report.legend import IN_SHORT
from greenbench.report.markdown import render_short

MOST_LINES = 20
"""Of failures, and of findings."""


def render(content: Content) -> str:
    """Return what pays, what failed, and what the audit found."""
    blocks = ["### greenbench", IN_SHORT]
    for part in content.parts:
        tables = part.pays or part.details[:1]
        blocks += [
            f"#### {markdown(part.section.heading)}",
            *(block for table in tables for block in render_short(table)),
        ]
    failures = [f"failed: {line}" for line in content.failures]
    findings = [f"audit: {one.rule} ({one.severity}): {one.conclusion}" for one in content.findings]
    for lines in (failures, findings):
        if lines:
            shown = first_of(lines, MOST_LINES, "report.md")
            blocks.append("\n".join(f"- {markdown(line)}" for line in shown))
    return "\n\n".join(blocks) + "\n"
