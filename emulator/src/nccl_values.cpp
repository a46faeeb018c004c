#include "nccl_values.h"

#include <algorithm>
#include <cstdint>

namespace emulator {
namespace {

template <class T>
void reduce_as(char* into, const char* from, std::size_t count, ncclRedOp_t operation) {
    T* a = reinterpret_cast<T*>(into);
    const T* b = reinterpret_cast<const T*>(from);
    for (std::size_t i = 0; i < count; ++i) {
        if (operation == ncclProd)
            a[i] = static_cast<T>(a[i] * b[i]);
        else if (operation == ncclMax)
            a[i] = std::max(a[i], b[i]);
        else if (operation == ncclMin)
            a[i] = std::min(a[i], b[i]);
        else
            a[i] = static_cast<T>(a[i] + b[i]);
    }
}

template <class T>
void average_as(char* sums, std::size_t count, int ranks) {
    for (std::size_t i = 0; i < count; ++i) reinterpret_cast<T*>(sums)[i] /= static_cast<T>(ranks);
}

}  // namespace

std::size_t size_of(ncclDataType_t type) {
    switch (type) {
        case ncclInt8:
        case ncclUint8:
        case ncclFloat8e4m3:
        case ncclFloat8e5m2: return 1;
        case ncclFloat16:
        case ncclBfloat16: return 2;
        case ncclInt64:
        case ncclUint64:
        case ncclFloat64: return 8;
        default: return 4;
    }
}

bool is_integer(ncclDataType_t type) { return type <= ncclUint64; }

void reduce(char* into, const char* from, std::size_t count, ncclDataType_t type, ncclRedOp_t operation) {
    switch (type) {
        case ncclInt8: return reduce_as<std::int8_t>(into, from, count, operation);
        case ncclUint8: return reduce_as<std::uint8_t>(into, from, count, operation);
        case ncclInt32: return reduce_as<std::int32_t>(into, from, count, operation);
        case ncclUint32: return reduce_as<std::uint32_t>(into, from, count, operation);
        case ncclInt64: return reduce_as<std::int64_t>(into, from, count, operation);
        case ncclFloat32: return reduce_as<float>(into, from, count, operation);
        case ncclFloat64: return reduce_as<double>(into, from, count, operation);
        default: return reduce_as<std::uint64_t>(into, from, count, operation);
    }
}

void average(char* sums, std::size_t count, ncclDataType_t type, int ranks) {
    switch (type) {
        case ncclInt8: return average_as<std::int8_t>(sums, count, ranks);
        case ncclUint8: return average_as<std::uint8_t>(sums, count, ranks);
        case ncclInt32: return average_as<std::int32_t>(sums, count, ranks);
        case ncclUint32: return average_as<std::uint32_t>(sums, count, ranks);
        case ncclInt64: return average_as<std::int64_t>(sums, count, ranks);
        case ncclFloat32: return average_as<float>(sums, count, ranks);
        case ncclFloat64: return average_as<double>(sums, count, ranks);
        default: return average_as<std::uint64_t>(sums, count, ranks);
    }
}

}  // namespace emulator
