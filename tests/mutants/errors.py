"""Why no score can be given."""


class CannotTellError(Exception):
    """The tree, the table of parts or the list of equivalents is not in order."""
