"""The console script ``greenbench``: finds the subcommand's module and runs it.

A module ``name.py`` of this folder becomes ``greenbench name``. It has a docstring, whose first line is the help;
``configure(parser)``, which adds its arguments; and ``run(args) -> int``, which returns the exit code. Only the chosen
module is imported, so a light command starts lightly.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Sequence

from greenbench.cli._streams import prepare, say, silence, takes_more
from greenbench.errors import UserError
from greenbench.extras import STUDY, missing_study
from greenbench.version import VERSION

OK, FAILED, USAGE_ERROR, INTERRUPTED = 0, 1, 2, 130
DESCRIPTION = "What a deep-learning training technique gains, and what it costs."


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit code (2 for bad input, 130 after Ctrl-C)."""
    prepare()
    try:
        code = _run(argv)
        sys.stdout.flush()  # here, where a reader that is gone is no error
        return code
    except UserError as error:
        say(f"greenbench: error: {error}")
        return USAGE_ERROR
    except ModuleNotFoundError as error:
        if error.name not in STUDY:
            raise
        say(f"greenbench: error: {missing_study(error.name)}")
        return USAGE_ERROR
    except KeyboardInterrupt:
        say("greenbench: interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough; Python's own flush at exit must not complain either.
        silence(sys.stdout)
        return OK
    except OSError as error:
        if takes_more(sys.stdout):
            raise
        silence(sys.stdout)
        say(f"greenbench: error: standard output cannot be written: {error.strerror}")
        return FAILED


def _run(argv: Sequence[str] | None) -> int:
    # Not list(...): once its module is imported, that name is the subcommand here.
    arguments = [*(sys.argv[1:] if argv is None else argv)]
    names = sorted(
        module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")
    )
    chosen = arguments[0] if arguments and arguments[0] in names else None

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
    return int(args.run(args))
