// The times of calls that standard input lists, a line each, by the stand-ins' formulas.
#include <cstdio>

#include "kernels.h"

using namespace emulator;

int main() {
    char what;
    double a, b, c, d;
    int which;
    while (std::scanf(" %c %d %lf %lf %lf %lf", &what, &which, &a, &b, &c, &d) == 6) {
        Nanos ns = 0;
        if (what == 'p') ns = gemm_time(a, b, c, d, static_cast<Arithmetic>(which % 5), which >= 5);
        if (what == 'k') ns = from_us(kernel_us(static_cast<KernelKind>(which), a, b));
        if (what == 'c') ns = collective_time(a, b, static_cast<int>(c));
        std::printf("%llu\n", static_cast<unsigned long long>(ns));
    }
    char name[4096];
    while (std::scanf("%4095s", name) == 1) std::printf("%d\n", static_cast<int>(kind_of(name)));
}
