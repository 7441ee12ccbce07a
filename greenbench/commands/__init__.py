"""The subcommands of ``greenbench``: one module each, and the folder is the list.

A module ``name.py`` becomes ``greenbench name``. It has a docstring, whose first line is the help;
``configure(parser)``, which adds its arguments; and ``run(args) -> int``, which returns the exit
code. Only the chosen module is imported, so a light command starts lightly.
"""
