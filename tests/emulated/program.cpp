// A program that uses the runtime without PyTorch: it starts in milliseconds and its launches cost nothing else.
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

struct Dim3 {
    unsigned x, y, z;
};

extern "C" {
int cudaDeviceSynchronize();
int cudaLaunchKernel(const void*, Dim3, Dim3, void**, size_t, void*);
int cudaSetDevice(int);
void __cudaRegisterFunction(void**, const char*, char*, const char*, int, void*, void*, void*, void*, int*);
}

namespace {

constexpr long PER_US = 1000;  // cycles, at the 1,000 MHz of the tests' profile
const char spin = 0, plain = 0;

double seconds(clockid_t clock) {
    timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

int hold(long us) {
    long cycles = us * PER_US;
    void* arguments[] = {&cycles};
    return cudaLaunchKernel(&spin, {1, 1, 1}, {1, 1, 1}, arguments, 0, nullptr);
}

int launch() { return cudaLaunchKernel(&plain, {1, 1, 1}, {32, 1, 1}, nullptr, 0, nullptr); }

void say(double value) {
    std::printf("%.9g\n", value);
    std::fflush(stdout);
}

double middle(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

// Seconds that the host spins for so long, by its own clock.
double spin_for(double us) {
    const double start = seconds(CLOCK_MONOTONIC);
    double at = start;
    while (at < start + us * 1e-6) at = seconds(CLOCK_MONOTONIC);
    return at - start;
}

// Host time of a launch call, as a multiple of spinning for so long beside it. Medians: others may take the core now
// and then, from the one as from the other.
void cost(double us) {
    std::vector<double> calls, spins;
    for (int burst = 0; burst < 10; ++burst) {
        for (int i = 0; i < 100; ++i) {
            const double start = seconds(CLOCK_MONOTONIC);
            launch();
            calls.push_back(seconds(CLOCK_MONOTONIC) - start);
            spins.push_back(spin_for(us));
        }
        cudaDeviceSynchronize();
    }
    say(middle(calls) / middle(spins));
}

// Waiting for a held device, in cudaDeviceSynchronize or at the full launch queue: the time from the hold's launch to the
// end of waiting, as a multiple of the hold, and the share of a core that was burnt.
void waiting(bool queue, long us) {
    const double held = seconds(CLOCK_MONOTONIC);
    hold(us);
    if (queue)
        for (int i = 0; i < 1000; ++i) launch();
    const double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID), wall = seconds(CLOCK_MONOTONIC);
    if (queue)
        for (int i = 0; i < 100; ++i) launch();
    else
        cudaDeviceSynchronize();
    const double end = seconds(CLOCK_MONOTONIC);
    say((end - held) / (us * 1e-6));
    say((seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu) / (end - wall));
}

}  // namespace

int main(int argc, char** argv) {
    const std::string command = argc > 1 ? argv[1] : "";
    auto number = [&](int at) { return at < argc ? std::atol(argv[at]) : 0; };
    __cudaRegisterFunction(nullptr, &spin, nullptr, "spin_kernel", -1, nullptr, nullptr, nullptr, nullptr, nullptr);
    if (const int error = cudaSetDevice(static_cast<int>(number(2)))) return error;
    if (command == "cost") cost(std::atof(argv[3]));
    if (command == "wait") waiting(false, number(3));
    if (command == "queue") waiting(true, number(3));
    return 0;
}
