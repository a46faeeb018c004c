// Headers of the wheels name these types; what they can do stands in the compiler's package. Nothing here computes.
#pragma once
struct __half {
    unsigned short bits;
};
struct __half2 {
    __half x, y;
};
