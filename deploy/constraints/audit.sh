#!/bin/sh
# Look every locked version up among the known vulnerabilities; 1 where there is one. usage: deploy/constraints/audit.sh
# First a version is looked up that is known to be broken. Where even that is not found, nothing can be said of the
# others: the audit says so, and ends with 0.
set -eu
cd "$(dirname "$0")/../.."
venv=out/audit
wanted=2.10.1
[ "$("$venv/bin/pip-audit" --version 2>/dev/null)" = "pip-audit $wanted" ] || {
    "${PYTHON:-python3}" -m venv "$venv"
    "$venv/bin/python" -m pip install -q --disable-pip-version-check --only-binary=:all: "pip-audit==$wanted"
}
look_up() { timeout 300 "$venv/bin/pip-audit" --disable-pip --no-deps --progress-spinner off -r "$1"; }

known=$venv/known.txt
echo 'jinja2==2.4.1' >"$known" # CVE-2014-0012, CVE-2016-10745 …
if ! look_up "$known" 2>&1 | grep -Eq 'CVE-|PYSEC-|GHSA-'; then
    echo "audit: NOT AUDITED: no advisories can be had here, not even those of $(cat "$known")" >&2
    exit 0
fi
for lock in deploy/constraints/py*.txt; do
    echo "audit: $lock" >&2
    look_up "$lock"
done
