"""Entry point. `--version` is answered before anything else is imported."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """Run the command line and exit with its code."""
    if sys.argv[1:] == ["--version"] and _say_version():
        return
    # A Ctrl-C that comes while we are still loading waits until it can be answered in words.
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    from ga_deploy.streams import guard_streams

    guard_streams()
    from ga_deploy.cli import run

    code = run(sys.argv[1:])
    # Nothing is left to interrupt but Python's own end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
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
