"""Entry point. `--version` is answered before anything else is imported."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress

# Interrupted and terminated: `ExitCode` is not imported here, for the sake of `--version`.
_GIVEN_UP = (130, 143)


def main() -> None:
    """Run the command line and exit with its code."""
    if sys.argv[1:] == ["--version"] and _say_version():
        return
    # A Ctrl-C that comes while we are still loading waits until it can be answered in words.
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    from ga_deploy.streams import guard_streams

    guard_streams()
    from ga_deploy.cli.run import run

    code = run(sys.argv[1:])
    # Nothing is left to interrupt but Python's own end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if code in _GIVEN_UP:
        # A thread may still wait for an answer that nobody needs any more; Python would wait for it, up to 30 s.
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):
                stream.flush()
        os._exit(code)
    sys.exit(code)


def _say_version() -> bool:
    """Return whether it could be said; if not, the command line says why not."""
    from ga_deploy import __version__

    if sys.stdout is None:
        return False
    try:
        sys.stdout.write(f"ga-deploy {__version__}\n")
        sys.stdout.flush()
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main()
