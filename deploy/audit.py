"""Ask a public database (OSV) for known weaknesses of the versions in the lock file: `python deploy/audit.py`.

Exit 1 on a finding. Where the database cannot be reached nothing is known: it says so and exits 0, for a closed network must be able to
build too. Needs `pip-audit` (it is in the extra `dev`).
"""

import json
import subprocess
import sys
from pathlib import Path

LOCK = Path(__file__).parent / "requirements.lock"
TIMEOUT = 600
# Findings that do not concern this program, by id, each with the reason why.
ACCEPTED: dict[str, str] = {}
# What pip-audit writes when it gets no answer.
UNREACHABLE = ("ConnectionError", "ConnectTimeout", "ReadTimeout", "ProxyError", "SSLError", "ServiceError", "Could not connect")


def audit(*options: str) -> tuple[int, str]:
    """The exit code and what to say."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(LOCK), "--disable-pip", "--require-hashes", "--format", "json"]
    command += ["--vulnerability-service", "osv", "--progress-spinner", "off", *options]
    for name in ACCEPTED:
        command += ["--ignore-vuln", name]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)  # noqa: S603  # our own command line
    except subprocess.TimeoutExpired:
        return 0, f"the database of weaknesses did not answer within {TIMEOUT} s: nothing has been checked"
    return judge(done.stdout, done.stderr)


def judge(stdout: str, stderr: str) -> tuple[int, str]:
    """What pip-audit's output means."""
    try:
        found = json.loads(stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        last = (stderr.strip().splitlines() or ["no output"])[-1]
        if any(name in stderr for name in UNREACHABLE):
            return 0, f"the database of weaknesses cannot be reached ({last:.200}): nothing has been checked; run this where it can be"
        return 1, f"pip-audit failed ({last:.200}); install it with `pip install pip-audit`, or read its message"
    findings = [
        f"{held['name']} {held['version']}: {weakness['id']}, {_mended(weakness['fix_versions'])}"
        for held in found
        for weakness in held.get("vulns", ())
    ]
    if findings:
        advice = "take the mended versions into deploy/*.lock with deploy/lock.sh, or accept a finding in deploy/audit.py with a reason"
        return 1, "\n".join([*findings, advice])
    return 0, f"{len(found)} dependencies, no known weakness"


def _mended(versions: list[str]) -> str:
    return f"mended in {', '.join(versions)}" if versions else "not mended yet"


if __name__ == "__main__":
    code, text = audit(*sys.argv[1:])
    print(text)
    sys.exit(code)
