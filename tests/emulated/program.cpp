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

// Host seconds of a launch call, without those of reading the clock. Medians: others may take the core now and then.
void cost() {
    std::vector<double> calls, empty;
    for (int burst = 0; burst < 10; ++burst) {
        for (int i = 0; i < 100; ++i) {
            const double before = seconds(CLOCK_MONOTONIC);
            const double start = seconds(CLOCK_MONOTONIC);
            launch();
            calls.push_back(seconds(CLOCK_MONOTONIC) - start);
            empty.push_back(start - before);
        }
        cudaDeviceSynchronize();
    }
    say(middle(calls) - middle(empty));
}

// Share of a core that waiting for a held device burns, in cudaDeviceSynchronize or at the full launch queue.
void waiting(bool queue, long us) {
    hold(us);
    if (queue)
        for (int i = 0; i < 1000; ++i) launch();
    const double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID), wall = seconds(CLOCK_MONOTONIC);
    if (queue)
        for (int i = 0; i < 100; ++i) launch();
    else
        cudaDeviceSynchronize();
    const double took = seconds(CLOCK_MONOTONIC) - wall;
    say(took);
    say((seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu) / took);
}

}  // namespace

int main(int argc, char** argv) {
    const std::string command = argc > 1 ? argv[1] : "";
    auto number = [&](int at) { return at < argc ? std::atol(argv[at]) : 0; };
    __cudaRegisterFunction(nullptr, &spin, nullptr, "spin_kernel", -1, nullptr, nullptr, nullptr, nullptr, nullptr);
    if (const int error = cudaSetDevice(static_cast<int>(number(2)))) return error;
    if (command == "cost") cost();
    if (command == "wait") waiting(false, number(3));
    if (command == "queue") waiting(true, number(3));
    return 0;
}
