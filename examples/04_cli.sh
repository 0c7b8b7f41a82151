#!/usr/bin/env bash
# The same story by hand, one command at a time, from adoption to the end of the old side.
set -euo pipefail
export PATH=$PWD/.venv/bin:$PATH TRANSVASE_STORE=embedded:.transvase/store
examples=$(dirname "$0")

python "$examples/ground.py"
transvase adopt notes --table notes --key id --text body --vector embedding --encoder .transvase/old
transvase audit notes --sample 60
transvase plan notes --to .transvase/new

transvase open notes --to .transvase/new
transvase fill notes
transvase prove notes
transvase status notes
transvase cutover notes
transvase search notes "who may restart billing?" -k 2
python "$examples/03_sql_view.py"

transvase rollback notes
transvase migrate notes --until live
transvase sync notes --once
transvase retire notes
transvase history notes

# What was refused stays refused, and says so in its exit status.
if transvase rollback notes; then
    echo "a retired side came back" >&2
    exit 3
else
    test $? -eq 1
fi
