"""Writes requirements.lock: every package that the tests need, with the SHA-256 of the file that pip would install.

`python dev/lock.py` asks pip of the running Python, with the versions of constraints.txt; the hashes are of the files for
its version and system, which the first line names. `pip install --require-hashes -r requirements.lock` takes those alone.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Resolve, and write."""
    options = [
        "--dry-run",
        "--ignore-installed",
        "--quiet",
        "--report",
        "-",
        "--constraint",
        str(ROOT / "constraints.txt"),
    ]
    command = [sys.executable, "-m", "pip", "install", *options, f"{ROOT}[test]"]
    report = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    lines = [
        f"# For Python {platform.python_version()} on {platform.system()} {platform.machine()}; made by dev/lock.py"
    ]
    for item in sorted(report["install"], key=lambda item: item["metadata"]["name"].lower()):
        if hashes := item["download_info"].get("archive_info", {}).get("hashes"):  # the project itself has none
            about = item["metadata"]
            lines.append(f"{about['name']}=={about['version']} --hash=sha256:{hashes['sha256']}")
    (ROOT / "requirements.lock").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
