# What the batch scripts share: sourced by them, in the checkout.

# First of all: SLURM's signal ends a script that has not said what to do with it, and loading modules takes its time.
signalled=''
trap 'signalled=1' USR1 TERM

source slurm/site.sh
need_python "$HARNESS_PYTHON" "'make setup' makes it"

harness() {
    "$HARNESS_PYTHON" -m harness "$@"
}

# What the harness exits with when the job shall be started again (REQUEUE_STATUS in harness/core/processes/interrupt.py).
REQUEUE_STATUS=75

# harness sweep OVERRIDES under this job's time limit: forwards SLURM's signal, and requeues the job if it is to go on.
run_sweep() {
    local pid=0 status launcher=(launcher=slurm)
    # A run that is resumed by name brings its launcher with it, and takes no other overrides.
    [[ " $* " == *" resume="* ]] && launcher=()
    status=$REQUEUE_STATUS
    if [ -z "$signalled" ]; then
        # USR1: --signal above; TERM: preemption. The harness drops the cell in flight, closes its files and ends.
        trap 'signalled=1; [ "$pid" -eq 0 ] || kill -USR1 "$pid" 2>/dev/null || true' USR1 TERM
        "$HARNESS_PYTHON" -m harness sweep "${launcher[@]}" "$@" &
        pid=$!
        [ -z "$signalled" ] || kill -USR1 "$pid" 2>/dev/null || true
        while :; do
            signalled='' status=0
            wait "$pid" || status=$?
            # A signal ends `wait` but not what is waited for.
            [ -n "$signalled" ] || break
        done
    fi
    trap - USR1 TERM
    # While it plans, or writes the report, the harness dies of the signal itself: what is left to do is done next time.
    if [ "$status" -eq "$REQUEUE_STATUS" ] || [ "$status" -eq $((128 + $(kill -l USR1))) ]; then
        # Asks SLURM which job this is, and for no other; not where it is cancelled, nor where starts come to nothing.
        # SLURM ends the script when it has requeued the job: to exit first would be a second opinion on how it ended.
        "$HARNESS_PYTHON" -m harness.cluster.jobs.requeue && exec sleep 300
    fi
    return "$status"
}
