// Faults on demand: EMULATOR_FAULTS="kind:device=D[,after=N][,times=T][,factor=F];..."
//   oom     allocation N+1 on the device fails as out of memory, and T-1 more (default 2: PyTorch tries again)
//   launch  launch N+1 on the device fails; as on a real one the error is sticky
//   lost    at launch N+1 the device is gone, for every process and for NVML
//   hang    collective N+1 of the device never completes
//   slow    work on the device takes F times as long
// Counted over all processes of the node, so that a process that is started again does not meet the same fault.
#pragma once
#include <string>

#include "node.h"

namespace emulator {

enum class Fault { OutOfMemory, Launch, Lost, Hang };

// Whether this call, the next of its kind on the device, is one that shall fail. Counts the call.
bool strikes(Fault fault, int device);

// What work on the device takes, as a multiple.
double slowness(int device);

// End the process with a message if EMULATOR_FAULTS makes no sense.
void check_faults();

}  // namespace emulator
