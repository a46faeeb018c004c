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
export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH}
if ! command -v "$HARNESS_PYTHON" >/dev/null; then
    echo "$HARNESS_PYTHON: no such Python; 'make setup' makes it, or name another one in slurm/site.env" >&2
    exit 2
fi
