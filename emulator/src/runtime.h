// Shared by the parts of the runtime's stand-in: the last error of a thread, events and graphs behind handles.
#pragma once
#include <cuda_runtime_api.h>

#include "capture.h"
#include "memory.h"
#include "timeline.h"

namespace emulator {

// Remember an error as the calling thread's last one, and answer it.
cudaError_t answer(int error);

struct Event {
    MomentRef moment;  // of the latest record; null before
    Device* device = nullptr;
};

inline Event* event_of(cudaEvent_t handle) { return reinterpret_cast<Event*>(handle); }
inline cudaEvent_t handle_of(Event* event) { return reinterpret_cast<cudaEvent_t>(event); }

// The graph behind a handle; also what an executable graph is.
using GraphRef = std::shared_ptr<Graph>;
inline GraphRef& graph_of(void* handle) { return *static_cast<GraphRef*>(handle); }

// Name of a kernel that was registered with its host function, mangled; null if it was not.
const char* kernel_name(const void* host_function);

// A function of the driver's stand-in, by the name in the headers' documentation; null if there is none.
void* driver_function(const char* name);

}  // namespace emulator
