"""`python3 -m lading_dashboard`: see `--help`, and `docs/dashboard.md`."""

from __future__ import annotations

import os
import sys

from lading.errors import LadingError
from lading_dashboard.settings import Settings


def main() -> int:
    """Runs the dashboard; returns the exit code."""
    try:
        settings = Settings.parse(sys.argv[1:], os.environ)
        # Only now: --help and a wrong flag are answered without loading a web server.
        from lading_dashboard.serve import serve

        serve(settings)
    except LadingError as error:
        print(f"lading_dashboard: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
