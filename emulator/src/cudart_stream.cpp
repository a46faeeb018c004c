// Runtime: streams, events and graphs.
#include <cstring>

#include "runtime.h"

using namespace emulator;

namespace {

Device& device_of(Stream* stream) { return *stream->device; }

cudaError_t capture_info(Stream* stream, cudaStreamCaptureStatus* status, unsigned long long* id) {
    const std::lock_guard<std::mutex> guard(stream->device->lock);
    *status = stream->capture ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
    if (id && stream->capture) *id = stream->capture->id;
    return cudaSuccess;
}

}  // namespace

extern "C" {

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* out, unsigned flags, int priority) {
    *out = reinterpret_cast<cudaStream_t>(create_stream(!(flags & cudaStreamNonBlocking), priority));
    return answer(current().error.load());
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* out, unsigned flags) {
    return cudaStreamCreateWithPriority(out, flags, 0);
}
cudaError_t cudaStreamCreate(cudaStream_t* out) { return cudaStreamCreateWithPriority(out, cudaStreamDefault, 0); }

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
    if (reinterpret_cast<std::uintptr_t>(stream) <= 2) return answer(cudaErrorInvalidResourceHandle);
    destroy_stream(stream_of(stream));
    return cudaSuccess;
}

cudaError_t cudaStreamGetPriority(cudaStream_t stream, int* priority) {
    *priority = stream_of(stream)->priority;
    return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
    Stream* of = stream_of(stream);
    if (of->capture) return answer(cudaErrorStreamCaptureUnsupported);
    return answer(synchronize(of));
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
    Stream* of = stream_of(stream);
    if (const int error = device_of(of).error.load()) return answer(error);
    return idle(of) ? cudaSuccess : cudaErrorNotReady;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
    const MomentRef moment = event_of(event)->moment;
    if (!moment) return cudaSuccess;  // never recorded: nothing to wait for
    return answer(wait(stream_of(stream), moment));
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* out, unsigned) {
    *out = handle_of(new Event);
    return answer(current().error.load());
}
cudaError_t cudaEventCreate(cudaEvent_t* out) { return cudaEventCreateWithFlags(out, cudaEventDefault); }

cudaError_t cudaEventDestroy(cudaEvent_t event) {
    delete event_of(event);
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
    Stream* of = stream_of(stream);
    auto moment = std::make_shared<Moment>();
    const int error = record(of, moment);
    if (error) return answer(error);
    event_of(event)->moment = moment;
    event_of(event)->device = of->device;
    return cudaSuccess;
}
cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream, unsigned) {
    return cudaEventRecord(event, stream);
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
    const Event& asked = *event_of(event);
    if (!asked.moment) return cudaSuccess;
    if (const int error = asked.device->error.load()) return answer(error);
    if (asked.moment->captured.load()) return answer(cudaErrorCapturedEvent);
    const Nanos at = asked.moment->at.load();
    return at && at <= now() ? cudaSuccess : cudaErrorNotReady;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
    const Event& asked = *event_of(event);
    if (!asked.moment) return cudaSuccess;
    return answer(synchronize(*asked.device, MomentRef(asked.moment)));
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t from, cudaEvent_t to) {
    const Event &first = *event_of(from), &second = *event_of(to);
    if (!first.moment || !second.moment) return answer(cudaErrorInvalidResourceHandle);
    const Nanos start = first.moment->at.load(), end = second.moment->at.load(), at = now();
    if (!start || !end || start > at || end > at) return answer(cudaErrorNotReady);
    *milliseconds = static_cast<float>((static_cast<double>(end) - static_cast<double>(start)) / 1e6);
    return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
    Stream* of = stream_of(stream);
    if (of == device_of(of).legacy) return answer(cudaErrorStreamCaptureUnsupported);
    const std::lock_guard<std::mutex> guard(device_of(of).lock);
    if (of->capture) return answer(cudaErrorIllegalState);
    begin_capture(*of);
    return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* out) {
    Stream* of = stream_of(stream);
    const std::lock_guard<std::mutex> guard(device_of(of).lock);
    if (!of->capture || of->capture->origin != of) return answer(cudaErrorIllegalState);
    auto graph = std::make_shared<Graph>();
    *out = nullptr;
    if (const int error = end_capture(*of, *graph)) return answer(error);
    *out = reinterpret_cast<cudaGraph_t>(new GraphRef(graph));
    return cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
    return capture_info(stream_of(stream), status, nullptr);
}

#if CUDART_VERSION >= 13000
cudaError_t cudaStreamGetCaptureInfo(cudaStream_t stream, cudaStreamCaptureStatus* status, unsigned long long* id,
                                     cudaGraph_t* graph, const cudaGraphNode_t** nodes, const cudaGraphEdgeData** edges,
                                     size_t* count) {
    if (edges) *edges = nullptr;
#else
cudaError_t cudaStreamGetCaptureInfo(cudaStream_t stream, cudaStreamCaptureStatus* status, unsigned long long* id,
                                     cudaGraph_t* graph, const cudaGraphNode_t** nodes, size_t* count) {
#endif
    if (graph) *graph = nullptr;
    if (nodes) *nodes = nullptr;
    if (count) *count = 0;
    return capture_info(stream_of(stream), status, id);
}

cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) {
    thread_local cudaStreamCaptureMode own = cudaStreamCaptureModeGlobal;
    std::swap(own, *mode);
    return cudaSuccess;
}

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t*, size_t* count) {
    *count = graph_of(graph)->works;
    return cudaSuccess;
}

cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* out, cudaGraph_t graph, unsigned long long) {
    *out = reinterpret_cast<cudaGraphExec_t>(new GraphRef(std::make_shared<Graph>(*graph_of(graph))));
    return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* out, cudaGraph_t graph, unsigned long long flags) {
    return cudaGraphInstantiateWithFlags(out, graph, flags);
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t stream) {
    return answer(launch_graph(stream_of(stream), graph_of(graph)));
}
cudaError_t cudaGraphUpload(cudaGraphExec_t, cudaStream_t) { return cudaSuccess; }

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
    delete &graph_of(graph);
    return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph) {
    for (Stream* stream : graph_of(graph)->streams) destroy_stream(stream);
    delete &graph_of(graph);
    return cudaSuccess;
}

}  // extern "C"
