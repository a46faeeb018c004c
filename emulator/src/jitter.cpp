#include "jitter.h"

#include <unistd.h>

#include <atomic>
#include <cmath>

#include "node.h"
#include "profile.h"

namespace emulator {
namespace {

constexpr double SPREADS[] = {0.03, 0.10, 0.15};
constexpr double CLOCK_SPREAD = 0.01;
constexpr Nanos CLOCK_NS = 5'000'000'000;

// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): a state of one word, good from any seed.
std::uint64_t scrambled(std::uint64_t state) {
    state = (state ^ (state >> 30)) * 0xbf58476d1ce4e5b9u;
    state = (state ^ (state >> 27)) * 0x94d049bb133111ebu;
    return state ^ (state >> 31);
}

constexpr std::uint64_t GOLDEN = 0x9e3779b97f4a7c15u;

// Box and Muller's, of two uniform numbers.
double normal(std::uint64_t first, std::uint64_t second) {
    const auto uniform = [](std::uint64_t bits) { return (static_cast<double>(bits >> 11) + 0.5) / 9007199254740992.0; };
    return std::sqrt(-2 * std::log(uniform(first))) * std::cos(2 * M_PI * uniform(second));
}

// Each thread draws from a line of its own, each process from others: by the order in which they first do on the node.
class Line {
   public:
    double next() {
        if (owner_ != getpid()) begin();  // a forked child must not draw its parent's numbers again
        const std::uint64_t first = state_ += GOLDEN, second = state_ += GOLDEN;
        return normal(scrambled(first), scrambled(second));
    }

   private:
    void begin() {
        owner_ = getpid();
        state_ = scrambled(profile().jitter_seed + GOLDEN * (1 + node().lines.fetch_add(1)));
    }

    pid_t owner_ = 0;
    std::uint64_t state_ = 0;
};

}  // namespace

Nanos varied(Varied what, Nanos modelled, double works) {
    const double jitter = profile().jitter;
    if (jitter == 0) return modelled;
    thread_local Line line;
    const double spread = jitter * SPREADS[static_cast<int>(what)] / std::sqrt(std::fmax(works, 1));
    return static_cast<Nanos>(static_cast<double>(modelled) * std::exp(spread * line.next()) + 0.5);
}

double clock_factor(int device, Nanos at) {
    const double jitter = profile().jitter;
    if (jitter == 0) return 1;
    // Between two numbers drawn for the ends of the interval that the time lies in.
    const auto drawn = [&](std::uint64_t number) {
        const std::uint64_t line = profile().jitter_seed * MAX_DEVICES + static_cast<std::uint64_t>(device);
        const std::uint64_t seed = scrambled(line + GOLDEN) + GOLDEN * 2 * number;
        return normal(scrambled(seed), scrambled(seed + GOLDEN));
    };
    const Nanos since = at - node().created;
    const double part = static_cast<double>(since % CLOCK_NS) / CLOCK_NS;
    const std::uint64_t number = since / CLOCK_NS;
    return std::exp(jitter * CLOCK_SPREAD * ((1 - part) * drawn(number) + part * drawn(number + 1)));
}

}  // namespace emulator
