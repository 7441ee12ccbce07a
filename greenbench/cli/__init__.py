"""The console script ``greenbench``: finds the subcommand's module and runs it."""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import sys
from collections.abc import Sequence

import greenbench
from greenbench import commands
from greenbench.errors import UserError

OK, USAGE_ERROR = 0, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit code (2 for bad input)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    names = sorted(module.name for module in pkgutil.iter_modules(commands.__path__))
    chosen = arguments[0] if arguments and arguments[0] in names else None

    parser = argparse.ArgumentParser(prog="greenbench", description=greenbench.__doc__)
    parser.add_argument("--version", action="version", version=f"greenbench {greenbench.__version__}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    # Help over all commands needs every module's docstring; running one needs that one alone.
    for name in [chosen] if chosen else names:
        module = importlib.import_module(f"{commands.__name__}.{name}")
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
        return int(args.run(args))
    except UserError as error:
        print(f"greenbench: error: {error}", file=sys.stderr)
        return USAGE_ERROR
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough; Python's own flush at exit must not complain either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK


if __name__ == "__main__":
    sys.exit(main())
