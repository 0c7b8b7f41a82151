#!/usr/bin/env bash
# The moves one at a time, as an operator makes them who looks before every step; `migrate` makes the first three in one go.
set -euo pipefail
export PATH=$PWD/.venv/bin:$PATH TRANSVASE_STORE=embedded:.transvase/store

python "$(dirname "$0")/ground.py"
transvase adopt notes --table notes --key id --text body --vector embedding --encoder .transvase/old
transvase audit notes --sample 60
transvase open notes --to .transvase/new
transvase fill notes
transvase prove notes
transvase status notes
transvase cutover notes
transvase sync notes --once
transvase retire notes
transvase history notes

# What is refused changes nothing, and says so in its exit status.
if transvase rollback notes; then
    echo "a retired side came back" >&2
    exit 3
else
    test $? -eq 1
fi
