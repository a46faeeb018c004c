// Works get their place in time: what timeline.h's calls have queued is placed as soon as it can be.
#pragma once
#include "timeline.h"

namespace emulator {

// Queue a work on a stream, and place what can be. The device is locked.
void append(Stream& stream, Work work);
// Place what can be on a device, whichever of its streams it is on; answers whether anything was. The device is locked.
bool place_device(Device& device);

}  // namespace emulator
