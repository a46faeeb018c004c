// A communicator: a rank's seat among others, on a device of this process.
#pragma once
#include <nccl.h>

#include <memory>

#include "nccl_rounds.h"

namespace emulator {

struct Communicator {
    std::unique_ptr<Rounds> rounds;
    int device;  // as this process sees it
    // Collectives run one after the other, on whichever streams they are: when the last of them ended.
    std::atomic<Nanos> free_at{0};
};
using CommunicatorRef = std::shared_ptr<Communicator>;

// The one behind a handle. What still waits for a communicator holds it beyond the handle's end.
struct Handle {
    CommunicatorRef communicator;
};
inline const CommunicatorRef& communicator_of(ncclComm_t handle) { return reinterpret_cast<Handle*>(handle)->communicator; }

// Become a rank of the communicator of that id, on the current device. Blocks until all have come, within a group only
// at its end. known: as for Rounds::open.
ncclResult_t join(ncclComm_t* out, int ranks, const ncclUniqueId& id, int rank, std::vector<Process> known = {});

}  // namespace emulator
