# What the batch scripts share: sourced by them, in the checkout.

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

harness() {
    "$HARNESS_PYTHON" -m harness "$@"
}

# What the harness exits with when the job shall be started again (REQUEUE_STATUS in harness/sweep/interrupt.py).
REQUEUE_STATUS=75

# harness sweep OVERRIDES under this job's time limit: forwards SLURM's signal, and requeues the job if it is to go on.
run_sweep() {
    local pid status signalled launcher=(launcher=slurm)
    # A run that is resumed by name brings its launcher with it, and takes no other overrides.
    [[ " $* " == *" resume="* ]] && launcher=()
    "$HARNESS_PYTHON" -m harness sweep "${launcher[@]}" "$@" &
    pid=$!
    # USR1: --signal above; TERM: preemption. The harness drops the cell in flight, closes its files and ends.
    trap 'signalled=1; kill -USR1 "$pid" 2>/dev/null || true' USR1 TERM
    while :; do
        signalled='' status=0
        wait "$pid" || status=$?
        # A signal ends `wait` but not what is waited for.
        [ -n "$signalled" ] || break
    done
    trap - USR1 TERM
    # While it plans, or writes the report, the harness dies of the signal itself: what is left to do is done next time.
    if [ "$status" -eq "$REQUEUE_STATUS" ] || [ "$status" -eq $((128 + $(kill -l USR1))) ]; then
        requeue
    fi
    return "$status"
}

# Start this job again, unless it is being ended: of a job that its user cancels, SLURM tells the nodes just as it does at
# preemption, and would requeue it if it were asked to.
requeue() {
    # The bare id of an array's last task is that of the whole array.
    local job=$SLURM_JOB_ID
    if [ -n "${SLURM_ARRAY_JOB_ID:-}" ]; then
        job=${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID
    fi
    if [ "$(squeue --noheader --jobs="$job" --format=%T 2>/dev/null)" = RUNNING ]; then
        # SLURM ends the script when it has requeued the job. To exit first would be a second opinion on how it ended.
        scontrol requeue "$job" && exec sleep 300
    fi
}
