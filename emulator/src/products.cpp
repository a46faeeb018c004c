// Matrix products: see emulator/times/products.py, which says the same and why.
#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <unordered_map>

#include "kernels.h"

namespace emulator {
namespace {

struct Tile {
    double a, b;
};
constexpr Tile TILES[] = {{256, 128}, {128, 256}, {128, 128}, {128, 64}, {64, 128}, {64, 64},
                          {128, 32},  {32, 128},  {64, 32},   {32, 64},  {32, 32}};
constexpr double SPLITS[] = {1, 2, 3, 4, 6, 8, 12, 16};
constexpr double STEP = 32, LEAST_K = 64;
constexpr double HELD = 2 * 128 * 128, MOST_HELD = 16;
constexpr double RAMP = 128;
constexpr std::int64_t VECTOR_BYTES = 16;

struct Shape {
    double m, n, k, batch;
    Arithmetic arithmetic;
    bool transposed;

    bool operator==(const Shape& other) const {
        return m == other.m && n == other.n && k == other.k && batch == other.batch && arithmetic == other.arithmetic &&
               transposed == other.transposed;
    }
};

struct Hash {
    std::size_t operator()(const Shape& shape) const {
        std::size_t found = static_cast<std::size_t>(shape.arithmetic) * 2 + shape.transposed;
        for (const double each : {shape.m, shape.n, shape.k, shape.batch})
            found = found * 1'000'003 ^ static_cast<std::size_t>(each);
        return found;
    }
};

double modelled_us(const Shape& shape) {
    const Profile& p = profile();
    const auto index = static_cast<std::size_t>(shape.arithmetic);
    const ProductTimes& times = p.products[index];
    const auto [m, n, k, batch, arithmetic, transposed] = shape;
    const double item = static_cast<double>(bytes_of(arithmetic)), sms = p.sms;
    const double rate = p.flop_s[index] / 1e6, memory = p.memory_gb_s * 1e3 * times.memory_share;
    const double bytes = batch * (m * k + k * n + m * n) * item;
    const auto length = [&](double numbers) { return static_cast<std::int64_t>(numbers * item); };
    const std::int64_t rows = std::gcd(length(transposed ? m : 0), std::gcd(length(n), length(k)));
    const auto vector = static_cast<double>(std::gcd(rows, VECTOR_BYTES));
    const double slower = std::pow(times.unaligned, std::log2(static_cast<double>(VECTOR_BYTES) / vector));
    double best = HUGE_VAL;
    for (const auto [a, b] : TILES)
        for (const double s : SPLITS) {
            if (s > 1 && k / s < LEAST_K) break;
            const double blocks = std::ceil(m / a) * std::ceil(n / b) * batch * s, steps = std::ceil(k / s / STEP);
            const double in_turn = std::ceil(blocks / sms);
            const double waves = std::ceil(in_turn / std::clamp(HELD / (a * b), 1.0, MOST_HELD));
            const double of_block = 2 * a * b * STEP * steps * (1 + times.half * (a + b) / (a * b)) * slower;
            const double computing = in_turn * of_block / (rate * times.share / sms);
            const double waiting = waves * (steps * times.step_us * slower + times.ramp_us * std::sqrt(a * b) / RAMP);
            double whole = std::max({computing, waiting, bytes / memory});
            if (s > 1) whole += times.split_us + (s + 1) * batch * m * n * 4 / memory;
            best = std::min(best, whole);
        }
    best += times.floor_us;
    return m == 1 || n == 1 ? std::min(best, kernel_us(KernelKind::MatrixVector, bytes, 0)) : best;
}

}  // namespace

std::size_t bytes_of(Arithmetic arithmetic) {
    constexpr std::array<std::size_t, ARITHMETICS.size()> BYTES = {8, 4, 4, 2, 2};
    return BYTES[static_cast<std::size_t>(arithmetic)];
}

// A model has few shapes, and trying all ways to make one takes a microsecond.
Nanos gemm_time(double m, double n, double k, double batch, Arithmetic arithmetic, bool transposed) {
    thread_local std::unordered_map<Shape, Nanos, Hash> known;
    constexpr std::size_t MOST_KNOWN = 4096;
    const Shape shape{m, n, k, batch, arithmetic, transposed};
    const auto found = known.find(shape);
    if (found != known.end()) return found->second;
    if (known.size() >= MOST_KNOWN) known.clear();
    return known[shape] = from_us(modelled_us(shape));
}

}  // namespace emulator
