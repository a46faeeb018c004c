// The CUDA errors that the timeline itself knows; the same numbers as cudaError_t.
#pragma once

namespace emulator {

constexpr int OK = 0;
constexpr int OUT_OF_MEMORY = 2;    // cudaErrorMemoryAllocation
constexpr int DEVICE_LOST = 46;     // cudaErrorDevicesUnavailable
constexpr int LAUNCH_FAILED = 719;  // cudaErrorLaunchFailure
constexpr int CAPTURE_UNJOINED = 904;   // cudaErrorStreamCaptureUnjoined
constexpr int CAPTURE_ISOLATION = 905;  // cudaErrorStreamCaptureIsolation
constexpr int CAPTURED_EVENT = 907;     // cudaErrorCapturedEvent

}  // namespace emulator
