#include "timing.h"

#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <cmath>

namespace native {

namespace {

// The reasons for these numbers stand in harness/timing/warm_up.py, stopping.py and harness/core/stats/intervals.py.
constexpr double SETTLED_CHANGE = 0.05;
constexpr size_t SETTLED_BLOCKS = 3;
constexpr double LONG_ENOUGH = 0.7;
constexpr int64_t GROWTH = 10;
constexpr size_t LOOK_EVERY = 10;
constexpr size_t FEWEST_FOR_INTERVAL = 6;
constexpr int ONE_TAIL_IN = 40;

double now_ns(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
}

double timed_block(const Run& run, const Wait& wait, int64_t steps) {
  wait();
  const double start = now_ns(CLOCK_MONOTONIC);
  run(steps);
  wait();
  return now_ns(CLOCK_MONOTONIC) - start;
}

bool has_settled(const std::vector<double>& step_ns) {
  if (step_ns.size() < 2 * SETTLED_BLOCKS) return false;
  const auto middle = step_ns.end() - SETTLED_BLOCKS;
  const double earlier = median({middle - SETTLED_BLOCKS, middle}), later = median({middle, step_ns.end()});
  return std::abs(later - earlier) < SETTLED_CHANGE * earlier;
}

// Steps of a block when it has settled.
int64_t warm_up(const Run& run, const Wait& wait, const Limits& limits) {
  const double target = limits.block_ms * 1e6;
  double spent = 0;
  int64_t steps = 1;
  for (std::vector<double> step_ns;;) {
    const double wall = timed_block(run, wait, steps);
    const double step = wall / static_cast<double>(steps);
    spent += wall;
    if (wall < LONG_ENOUGH * target) {
      const auto wanted = static_cast<int64_t>(target / std::max(step, 1.0)) + 1;
      if (const auto grown = std::min(wanted, steps * GROWTH); grown > steps) {
        steps = grown;
        step_ns.clear();
        continue;
      }
    }
    step_ns.push_back(step);
    if (has_settled(step_ns) || (spent >= limits.warmup_max_s * 1e9 && step_ns.size() >= 2)) return steps;
  }
}

// Zero-based index of the interval's lower end among ordered values (Conover, Practical Nonparametric
// Statistics, 3.2). Probabilities in place of harness/core/stats/intervals.py's whole numbers, by logarithms: 2^-count is
// too small for a number of its own above some thousand rounds.
size_t order_statistic_rank(size_t count) {
  double cumulative = 0;
  size_t below = 0;
  for (; below < count / 2; ++below) {
    const double n = static_cast<double>(count), k = static_cast<double>(below);
    cumulative += std::exp(std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1) - n * std::log(2.0));
    if (cumulative * ONE_TAIL_IN > 1) break;
  }
  return below ? below - 1 : 0;
}

bool is_narrow(const std::vector<double>& step_ns, double rel_width) {
  const auto interval = median_interval(step_ns);
  return (interval.high - interval.low) / 2 <= rel_width * interval.median;
}

}  // namespace

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 ? values[half] : (values[half - 1] + values[half]) / 2;
}

Interval median_interval(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t rank = order_statistic_rank(values.size());
  return {median(values), values[rank], values[values.size() - 1 - rank]};
}

Interval Measured::step_us() const {
  const auto interval = median_interval(step_ns);
  return {interval.median / 1e3, interval.low / 1e3, interval.high / 1e3};
}

Measured measure(const Run& run, const Wait& wait, const Limits& limits) {
  const int64_t steps = warm_up(run, wait, limits);
  Measured found;
  for (const auto most = static_cast<size_t>(limits.max_rounds); found.step_ns.size() < most;) {
    wait();
    rusage before{}, after{};
    getrusage(RUSAGE_SELF, &before);
    const double cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID), main = now_ns(CLOCK_THREAD_CPUTIME_ID);
    const double wall = timed_block(run, wait, steps);
    found.main_share.push_back((now_ns(CLOCK_THREAD_CPUTIME_ID) - main) / wall);
    found.cpu_ns += now_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    getrusage(RUSAGE_SELF, &after);
    found.waits += after.ru_nvcsw - before.ru_nvcsw;
    found.preemptions += after.ru_nivcsw - before.ru_nivcsw;
    found.wall_ns += wall;
    found.steps += steps;
    found.step_ns.push_back(wall / static_cast<double>(steps));
    const size_t rounds = found.step_ns.size(), least = static_cast<size_t>(limits.min_rounds);
    if (rounds < FEWEST_FOR_INTERVAL) continue;
    const bool look = rounds >= least && (rounds - least) % LOOK_EVERY == 0;
    if ((look && is_narrow(found.step_ns, limits.rel_width)) || found.wall_ns >= limits.max_s * 1e9) break;
  }
  found.narrow = is_narrow(found.step_ns, limits.rel_width);
  return found;
}

double seconds_of(const std::function<void()>& action) {
  const double start = now_ns(CLOCK_MONOTONIC);
  action();
  return (now_ns(CLOCK_MONOTONIC) - start) / 1e9;
}

}  // namespace native
