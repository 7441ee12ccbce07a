"""The console script ``greenbench``: finds the subcommand's module and runs it.

A module ``name.py`` of this folder becomes ``greenbench name``. It has a docstring, whose first line is the help;
``configure(parser)``, which adds its arguments; and ``run(args) -> int``, which returns the exit code. Only the chosen
module is imported, so a light command starts lightly.
"""

from __future__ import annotations

import argparse
import importlib
import io
import os
import pkgutil
import sys
from collections.abc import Sequence

from greenbench.errors import UserError
from greenbench.version import VERSION

OK, USAGE_ERROR = 0, 2
DESCRIPTION = "What a deep-learning training technique gains, and what it costs."


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit code (2 for bad input)."""
    # Not list(...): once its module is imported, that name is the subcommand here.
    arguments = [*(sys.argv[1:] if argv is None else argv)]
    names = sorted(
        module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")
    )
    chosen = arguments[0] if arguments and arguments[0] in names else None
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show a letter shows "?" instead

    parser = argparse.ArgumentParser(prog="greenbench", description=DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"greenbench {VERSION}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    # Help over all commands needs every module's docstring; running one needs that one alone.
    for name in [chosen] if chosen else names:
        module = importlib.import_module(f"{__name__}.{name}")
        doc = (module.__doc__ or "").strip()
        subparser = subparsers.add_parser(
            name,
            help=doc.splitlines()[0].rstrip("."),
            description=doc,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.configure(subparser)
        subparser.set_defaults(run=module.run)

    args = parser.parse_args(arguments)
    try:
        code = int(args.run(args))
        sys.stdout.flush()  # here, where a reader that is gone is no error
        return code
    except UserError as error:
        print(f"greenbench: error: {error}", file=sys.stderr)
        return USAGE_ERROR
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough; Python's own flush at exit must not complain either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
