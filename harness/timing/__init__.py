"""The clock and its rules: what is timed, how long to warm up, when to stop."""
