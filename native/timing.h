// The clock: the harness's rules (harness/timing/warm_up.py, stopping.py, harness/core/stats/intervals.py) for one mode alone.
// In: how to run steps and how to wait. Out: figures. Must not know torch.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace native {

// As conf/timing/normal.yaml. Times in milliseconds or seconds, as named.
struct Limits {
  double block_ms = 15;
  int min_rounds = 40;
  int max_rounds = 120;
  double rel_width = 0.015;
  double warmup_max_s = 2;
  double max_s = 8;
};

struct Interval {
  double median, low, high;
};

// One round is one block here. A value a round: step_ns, and main_share, the issuing thread's CPU time / wall
// time. The others over all rounds: wall and CPU time of the process, context switches.
struct Measured {
  std::vector<double> step_ns, main_share;
  int64_t steps = 0;
  double wall_ns = 0, cpu_ns = 0;
  int64_t waits = 0, preemptions = 0;
  bool narrow = false;

  Interval step_us() const;
};

using Run = std::function<void(int64_t steps)>;
using Wait = std::function<void()>;

double median(std::vector<double> values);

// Median with its distribution-free 95 % interval; of at least one value.
Interval median_interval(std::vector<double> values);

// Warm up until settled, then measure until the interval is narrow, or to the limit of rounds or time.
Measured measure(const Run& run, const Wait& wait, const Limits& limits);

// Seconds that an action takes.
double seconds_of(const std::function<void()>& action);

}  // namespace native
