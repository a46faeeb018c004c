// Runtime: memory and copies.
#include <cstring>
#include <vector>

#include "kernels.h"
#include "runtime.h"

using namespace emulator;

namespace {

enum class Way { HostToDevice, DeviceToHost, Within, Between, HostToHost };

Way way_of(void* to, const void* from) {
    Place a, b;
    const bool into = find(to, a), out_of = find(from, b);
    if (into && out_of) return a.device == b.device ? Way::Within : Way::Between;
    return into ? Way::HostToDevice : out_of ? Way::DeviceToHost : Way::HostToHost;
}

Nanos duration_of(Way way, std::size_t bytes) {
    const auto size = static_cast<double>(bytes);
    switch (way) {
        case Way::Within: return memory_time(2 * size);
        case Way::Between: return peer_copy_time(size);
        default: return host_copy_time(size);
    }
}

// Of pageable memory the driver stages at most so much without waiting (CUDA programming guide, "Asynchronous
// Concurrent Execution": host to device copies of 64 KB or less).
constexpr std::size_t STAGED_BYTES = 64u << 10;

// As on real devices (CUDA runtime, "API synchronization behavior"): from pageable memory the host goes on when
// the data is staged, which for longer copies is when the stream has come to them; into pageable memory when the copy
// is done.
int copy(void* to, const void* from, std::size_t bytes, Stream* stream, bool blocking) {
    if (!bytes) return cudaSuccess;
    const Way way = way_of(to, from);
    if (way == Way::HostToHost) {
        if (const int error = synchronize(stream)) return error;
        std::memmove(to, from, bytes);
        return cudaSuccess;
    }
    const bool pageable = !is_pinned(way == Way::DeviceToHost ? to : from) && (way == Way::DeviceToHost || way == Way::HostToDevice);
    if (way == Way::HostToDevice && pageable && bytes <= STAGED_BYTES) {
        // Staged: the caller may change the source as soon as this returns.
        auto staged = std::make_shared<std::vector<char>>(static_cast<const char*>(from), static_cast<const char*>(from) + bytes);
        const int error = launch(stream, WorkKind::Copy, duration_of(way, bytes),
                                 [=] { move_bytes(to, staged->data(), bytes); });
        return error || !blocking ? error : synchronize(stream);
    }
    const int error = launch(stream, WorkKind::Copy, duration_of(way, bytes), [=] { move_bytes(to, from, bytes); });
    return error || !(blocking || pageable) || stream->capture ? error : synchronize(stream);
}

int set(void* to, int value, std::size_t bytes, Stream* stream) {
    return launch(stream, WorkKind::Memset, memory_time(static_cast<double>(bytes)), [=] {
        if (value == 0 || bytes > KEPT_BYTES) return clear_bytes(to, bytes);
        std::vector<char> filled(bytes, static_cast<char>(value));
        move_bytes(to, filled.data(), bytes);
    });
}

}  // namespace

extern "C" {

cudaError_t cudaMalloc(void** at, size_t bytes) {
    if (const int error = current().error.load()) return answer(error);
    return answer(allocate(current_index(), bytes, at));
}

cudaError_t cudaFree(void* at) {
    if (!at) return answer(current().error.load());
    Place place;
    if (!find(at, place)) return answer(cudaErrorInvalidValue);
    const int error = synchronize(*device(place.device));  // as cudaFree does, implicitly
    if (!release(at)) return answer(cudaErrorInvalidValue);
    return answer(error);
}

cudaError_t cudaMallocAsync(void** at, size_t bytes, cudaStream_t) { return cudaMalloc(at, bytes); }
cudaError_t cudaFreeAsync(void* at, cudaStream_t stream) {
    if (const int error = synchronize(stream_of(stream))) return answer(error);
    return answer(release(at) ? cudaSuccess : cudaErrorInvalidValue);
}

cudaError_t cudaMallocHost(void** at, size_t bytes) { return answer(allocate_host(bytes, at)); }
cudaError_t cudaHostAlloc(void** at, size_t bytes, unsigned) { return answer(allocate_host(bytes, at)); }
cudaError_t cudaFreeHost(void* at) {
    release_host(at);
    return cudaSuccess;
}
cudaError_t cudaHostRegister(void* at, size_t bytes, unsigned) {
    register_host(at, bytes);
    return cudaSuccess;
}
cudaError_t cudaHostUnregister(void* at) {
    unregister_host(at);
    return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
    if (const int error = current().error.load()) return answer(error);
    node().retire_dead();
    *total = profile().memory_bytes();
    const std::uint64_t used = node().memory_used(current().index);
    *free = used < *total ? *total - used : 0;
    return cudaSuccess;
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* out, const void* at) {
    std::memset(out, 0, sizeof *out);
    out->device = current_index();
    Place place;
    if (find(at, place)) {
        out->type = cudaMemoryTypeDevice;
        out->device = place.device;
        out->devicePointer = const_cast<void*>(at);
    } else if (is_pinned(at)) {
        out->type = cudaMemoryTypeHost;
        out->devicePointer = out->hostPointer = const_cast<void*>(at);
    } else {
        out->type = cudaMemoryTypeUnregistered;
    }
    return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind, cudaStream_t stream) {
    return answer(copy(to, from, bytes, stream_of(stream), false));
}

cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind) {
    return answer(copy(to, from, bytes, stream_of(nullptr), true));
}

cudaError_t cudaMemcpyPeerAsync(void* to, int, const void* from, int, size_t bytes, cudaStream_t stream) {
    return answer(copy(to, from, bytes, stream_of(stream), false));
}

cudaError_t cudaMemcpy2DAsync(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width, size_t height,
                              cudaMemcpyKind, cudaStream_t stream) {
    if (!width || !height) return cudaSuccess;
    const Way way = way_of(to, from);
    const int error = launch(stream_of(stream), WorkKind::Copy, duration_of(way, width * height), [=] {
        for (std::size_t row = 0; row < height; ++row)
            move_bytes(static_cast<char*>(to) + row * to_pitch, static_cast<const char*>(from) + row * from_pitch, width);
    });
    return answer(error || way != Way::DeviceToHost ? error : synchronize(stream_of(stream)));
}

cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream) {
    return answer(set(to, value, bytes, stream_of(stream)));
}

cudaError_t cudaMemset(void* to, int value, size_t bytes) { return answer(set(to, value, bytes, stream_of(nullptr))); }

}  // extern "C"
