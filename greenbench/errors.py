"""The exceptions for what a user can put right."""


class UserError(ValueError):
    """Input that greenbench cannot work with.

    The pytest plugin turns it into a usage error (exit code 4), the command line into exit code 2. Neither shows a
    traceback.

    Parameters
    ----------
    problem
        Names the thing, the value got and what is allowed.
    next_step
        What to do about it.
    """

    def __init__(self, problem: str, next_step: str = "") -> None:
        super().__init__(f"{problem}; {next_step}" if next_step else problem)
        self.problem = problem
        self.next_step = next_step


class DataError(UserError):
    """A file of a data set that cannot be used: no case that needs the data set can run."""


class NotApplicable(UserError):
    """A technique that has nothing to do here, such as one that changes layers which a network has not.

    Raised by a technique while it changes the recipe or while its parts are built. The case is then skipped: its record
    and the report say why.
    """


class Interrupted(KeyboardInterrupt):
    """A signal ended what runs, as Ctrl-C would: what was measured before is kept, and the report is written."""
