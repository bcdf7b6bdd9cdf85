#!/bin/sh
# Write the lock files that the image installs from: `sh deploy/lock.sh` in the project's virtual environment, with `uv` at hand.
#
# The versions are those of the environment that the tests ran in, not the newest ones: what is shipped is what was tested.
# No index is written into the files, so that any mirror serves them; the hashes make it the same files.
set -eu
cd "$(dirname "$0")/.."
tested=$(mktemp)
trap 'rm -f "$tested"' EXIT
pip freeze --exclude-editable >"$tested"
compile() {
    uv pip compile --quiet --constraints "$tested" --python-version 3.12 --python-platform linux --generate-hashes --no-annotate \
        --no-emit-index-url --custom-compile-command "sh deploy/lock.sh" "$@"
}
compile pyproject.toml --output-file deploy/requirements.lock
# setuptools builds the project's own wheel; nothing of it is left in the image.
printf 'setuptools>=77\n' | uv pip compile --quiet --python-version 3.12 --python-platform linux --generate-hashes --no-annotate \
    --no-emit-index-url --custom-compile-command "sh deploy/lock.sh" - --output-file deploy/build.lock
