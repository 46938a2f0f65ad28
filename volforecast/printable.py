"""Words that came from elsewhere, made fit to be printed."""


def printable(words: object, most: int | None = None) -> str:
    """On one line, cut to ``most`` characters, and without what would command a terminal.

    Names, reasons and settings come out of files that anybody may have written; an escape sequence among them could
    rewrite what the screen shows.
    """
    line = " ".join(str(words).split())
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in line)
    return line if most is None or len(line) <= most else line[: most - 3] + "..."
