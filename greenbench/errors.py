"""The one exception for what a user can put right."""


class UserError(ValueError):
    """Input that greenbench cannot work with.

    The message names the thing, the value got, what is allowed and the next step. The pytest plugin
    turns it into a usage error (exit code 4), the command line into exit code 2; neither shows a
    traceback.
    """
