"""Entry point. `--version` is answered before anything else is imported."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and exit with its code."""
    if sys.argv[1:] == ["--version"]:
        from ga_deploy import __version__

        sys.stdout.write(f"ga-deploy {__version__}\n")
        return
    from ga_deploy.cli import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
