// The ledger in full, where EMULATOR_TRACE names a folder: a record for every piece of work, in a file per
// process. emulator/ledger.py reads them.
#pragma once
#include "clock.h"

namespace emulator {

enum class WorkKind : std::uint16_t { Kernel = 0, Gemm = 1, Copy = 2, Memset = 3, Collective = 4, Graph = 5, Hold = 6 };

struct TraceRecord {
    Nanos called, returned;  // of the launch call on the host
    Nanos start, end;        // on the device
    Nanos modelled;          // by the profile, before jitter and faults; of a graph that of its longest chain
    std::uint16_t device;
    WorkKind kind;
    std::uint32_t stream;
};

void trace(const TraceRecord& record);
// Write what is held back.
void flush_trace();

}  // namespace emulator
