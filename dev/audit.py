"""Known weaknesses of the versions in requirements.lock, as pip-audit tells; run by `make audit`.

The exit code is 1 where a version has one. Where the service that knows them can't be reached, nothing is known: that is
said, and is no failure, so that a machine without a network can run all checks.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

LOCK = Path(__file__).parents[1] / "requirements.lock"


def main() -> int:
    """Ask, and print what is known."""
    options = ["--format", "json", "--progress-spinner", "off", "--disable-pip", "--no-deps", "--require-hashes"]
    command = [sys.executable, "-m", "pip_audit", *options, "-r", str(LOCK)]
    done = subprocess.run(command, capture_output=True, text=True)
    try:
        found = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        print(f"audit skipped: {(done.stderr.strip().splitlines() or ['pip-audit said nothing'])[-1][:200]}")
        return 0
    known = [dependency for dependency in found if "skip_reason" not in dependency]
    if not known:
        print(f"audit skipped: {found[0]['skip_reason'] if found else 'nothing is locked'}")
        return 0
    weak = [dependency for dependency in known if dependency["vulns"]]
    for dependency in weak:
        names = ", ".join(sorted(each["id"] for each in dependency["vulns"]))
        print(f"{dependency['name']} {dependency['version']}: {names}")
    print(f"{len(known)} of {len(found)} versions are known, {len(weak)} have weaknesses")
    return bool(weak)


if __name__ == "__main__":
    sys.exit(main())
