// The values that collectives carry, as NCCL's data types have them.
#pragma once
#include <nccl.h>

#include <cstddef>

namespace emulator {

std::size_t size_of(ncclDataType_t type);
bool is_integer(ncclDataType_t type);

// into[i] = into[i] (operation) from[i]; sums, where the operation is the average. Of integers, float32 and float64.
void reduce(char* into, const char* from, std::size_t count, ncclDataType_t type, ncclRedOp_t operation);
// Sums over the ranks become averages.
void average(char* sums, std::size_t count, ncclDataType_t type, int ranks);

}  // namespace emulator
