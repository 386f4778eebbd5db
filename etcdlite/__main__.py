"""`python -m etcdlite`: serves one store alone; or runs a tool, when the first word is no flag."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from machinery.process import output


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0 done, 1 it cannot be done, 2 the command line is wrong."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    if words == ["help"]:
        words = ["--help"]
    try:
        code = _run(words)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # whoever read this has had enough
        output.drop_the_rest()
        return 1
    except OSError as error:
        print(f"etcdlite: {error.strerror or error}", file=sys.stderr)
        output.drop_the_rest()
        return 1


def _run(words: Sequence[str]) -> int:
    # Each imports what it needs alone: a tool is done before a server's parts are loaded.
    if words and not words[0].startswith("-"):
        from etcdlite.tools import command

        return command.main(words)
    from etcdlite import serve

    return serve.main(words)


if __name__ == "__main__":
    sys.exit(main())
