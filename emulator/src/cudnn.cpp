// cuDNN: convolutions, attention and matrix products through its graph interface, which is what PyTorch calls. One engine that needs
// no workspace is offered for whatever graph; running one without such an operation is refused, as the rest of the
// library is by name (build.py).
#include <cudnn.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <unordered_map>

#include "cudnn_graph.h"
#include "cudnn_handle.h"
#include "runtime.h"

using namespace emulator;

namespace {

// Those that callers hold. Never destroyed: threads may outlive the destructors.
std::mutex& lock = *new std::mutex;
auto& known = *new std::unordered_map<void*, std::shared_ptr<Descriptor>>;

std::shared_ptr<Descriptor> descriptor(void* named) {
    const std::lock_guard<std::mutex> guard(lock);
    const auto found = known.find(named);
    return found == known.end() ? nullptr : found->second;
}

std::size_t size_of(cudnnBackendAttributeType_t type) {
    switch (type) {
        case CUDNN_TYPE_HANDLE:
        case CUDNN_TYPE_VOID_PTR:
        case CUDNN_TYPE_BACKEND_DESCRIPTOR:
        case CUDNN_TYPE_INT64:
        case CUDNN_TYPE_DOUBLE:
        case CUDNN_TYPE_FRACTION: return 8;
        case CUDNN_TYPE_BOOLEAN:
        case CUDNN_TYPE_CHAR: return 1;
        default: return 4;
    }
}

// What a finished heuristic or configuration answers that nobody has set: one engine for the graph.
void offer(const Descriptor& asked, cudnnBackendAttributeName_t name, Attribute& answer) {
    if (name != CUDNN_ATTR_ENGINEHEUR_RESULTS) return;
    const Attribute* graph = asked.find(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
    if (!graph) return;
    auto engine = std::make_shared<Descriptor>();
    engine->type = CUDNN_BACKEND_ENGINE_DESCRIPTOR;
    engine->set(CUDNN_ATTR_ENGINE_OPERATION_GRAPH, *graph);
    auto configuration = std::make_shared<Descriptor>();
    configuration->type = CUDNN_BACKEND_ENGINECFG_DESCRIPTOR;
    configuration->set(CUDNN_ATTR_ENGINECFG_ENGINE, {{}, {engine}, 1});
    answer = {{}, {configuration}, 1};
}

// Values of one number that are 0: no workspace, the first engine.
bool is_zero(cudnnBackendAttributeName_t name) {
    return name == CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE || name == CUDNN_ATTR_ENGINECFG_WORKSPACE_SIZE ||
           name == CUDNN_ATTR_ENGINECFG_SHARED_MEMORY_USED || name == CUDNN_ATTR_ENGINE_GLOBAL_INDEX;
}

}  // namespace

extern "C" {

size_t cudnnGetVersion() { return CUDNN_VERSION; }
size_t cudnnGetCudartVersion() { return CUDART_VERSION; }
cudnnStatus_t cudnnGetProperty(libraryPropertyType type, int* value) {
    const int parts[] = {CUDNN_MAJOR, CUDNN_MINOR, CUDNN_PATCHLEVEL};
    if (type < MAJOR_VERSION || type > PATCH_LEVEL) return CUDNN_STATUS_BAD_PARAM;
    *value = parts[type];
    return CUDNN_STATUS_SUCCESS;
}
size_t cudnnGetMaxDeviceVersion() { return 1300; }
const char* cudnnGetErrorString(cudnnStatus_t status) {
    return status == CUDNN_STATUS_SUCCESS ? "CUDNN_STATUS_SUCCESS" : "CUDNN_STATUS_NOT_SUPPORTED (not supported by the emulated node)";
}
void cudnnGetLastErrorString(char* message, size_t most) {
    if (most) std::snprintf(message, most, "not supported by the emulated node");
}

cudnnStatus_t cudnnCreate(cudnnHandle_t* out) {
    *out = reinterpret_cast<cudnnHandle_t>(new CudnnHandle);
    return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnDestroy(cudnnHandle_t handle) {
    delete &of(handle);
    return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
    of(handle).stream = stream;
    return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnGetStream(cudnnHandle_t handle, cudaStream_t* stream) {
    *stream = of(handle).stream;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t* out) {
    auto made = std::make_shared<Descriptor>();
    made->type = type;
    *out = made.get();
    const std::lock_guard<std::mutex> guard(lock);
    known[made.get()] = std::move(made);
    return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t named) {
    const std::lock_guard<std::mutex> guard(lock);
    known.erase(named);
    return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnBackendInitialize(cudnnBackendDescriptor_t) { return CUDNN_STATUS_SUCCESS; }
cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t) { return CUDNN_STATUS_SUCCESS; }

cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t named, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t count, const void* values) {
    const auto into = descriptor(named);
    if (!into || count < 0 || (count && !values)) return CUDNN_STATUS_BAD_PARAM;
    Attribute given;
    given.count = count;
    if (type == CUDNN_TYPE_BACKEND_DESCRIPTOR) {
        for (int64_t each = 0; each < count; ++each) {
            const auto child = descriptor(static_cast<void* const*>(values)[each]);
            if (!child) return CUDNN_STATUS_BAD_PARAM;
            given.children.push_back(std::make_shared<const Descriptor>(*child));
        }
    } else {
        const char* from = static_cast<const char*>(values);
        given.bytes.assign(from, from + static_cast<std::size_t>(count) * size_of(type));
    }
    into->set(name, std::move(given));
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t const named, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t room, int64_t* count, void* out) {
    const auto from = descriptor(named);
    if (!from) return CUDNN_STATUS_BAD_PARAM;
    Attribute answer;
    if (const Attribute* found = from->find(name))
        answer = *found;
    else if (is_zero(name))
        answer = {std::vector<char>(size_of(type)), {}, 1};
    else
        offer(*from, name, answer);
    if (count) *count = answer.count;
    if (!out || room <= 0) return CUDNN_STATUS_SUCCESS;
    const auto fits = static_cast<std::size_t>(std::min(room, answer.count));
    if (answer.children.empty()) {
        if (fits) std::memcpy(out, answer.bytes.data(), fits * size_of(type));
        return CUDNN_STATUS_SUCCESS;
    }
    for (std::size_t each = 0; each < fits; ++each) {
        const auto into = descriptor(static_cast<void**>(out)[each]);
        if (!into) return CUDNN_STATUS_BAD_PARAM;
        *into = *answer.children[each];
    }
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan, cudnnBackendDescriptor_t) {
    const Nanos called = now();
    const auto of_plan = descriptor(plan);
    const Nanos duration = of_plan ? plan_time(*of_plan) : 0;
    if (!duration) {
        std::fprintf(stderr, "emulator: cudnnBackendExecute of a graph without a convolution or product that is modelled\n");
        return CUDNN_STATUS_NOT_SUPPORTED;
    }
    const int error = launch(stream_of(of(handle).stream), WorkKind::Gemm, duration, nullptr, 0, called);
    answer(error);
    return error ? CUDNN_STATUS_EXECUTION_FAILED : CUDNN_STATUS_SUCCESS;
}

}  // extern "C"
