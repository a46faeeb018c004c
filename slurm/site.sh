# What a login node and every job share: sourced in the checkout by slurm/submit and slurm/run.sh.

# Your site: modules, environment, network. slurm/site.env is yours and not tracked; slurm/site.env.example explains it.
# `module` and `activate` of many sites look at variables that are not set.
if [ -f slurm/site.env ]; then
    set +eu
    source slurm/site.env
    set -eu
fi

# This checkout's harness, with the Python that has torch: the virtual environment of `make`, or what site.env names.
export HARNESS_PYTHON=${HARNESS_PYTHON:-$PWD/.venv/bin/python}
# Once: a job inherits it from where it was submitted.
[ "${PYTHONPATH%%:*}" = "$PWD" ] || export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH}

# Where a Python that is needed now is not there, that is said.
need_python() {
    command -v "$1" >/dev/null && return
    echo "$1: no such Python; $2, or name another one in slurm/site.env" >&2
    exit 2
}
