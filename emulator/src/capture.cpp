#include "capture.h"

#include <algorithm>

#include "errors.h"
#include "memory.h"

namespace emulator {
namespace {

// Never destroyed: other threads may still use them while the process ends.
std::mutex& captures_lock = *new std::mutex;
auto& captured_moments = *new std::map<const Moment*, std::weak_ptr<Capture>>;
std::atomic<std::uint64_t> next_id{1};

bool is_work(const Work& work) { return work.type == Work::Type::Run || work.type == Work::Type::Meet; }

// Move the bytes that the graph's copies move.
void replay_copies(const Graph& graph, int device) {
    for (const Step& step : graph.steps) {
        if (step.work.effect)
            step.work.effect();
        else if (is_work(step.work) && step.work.kind != WorkKind::Hold)
            forget_contents(device);
    }
}

// With collectives in it a graph is replayed on streams, as when its calls are made; works that follow each other
// count as one.
int replay(Stream* stream, Graph& graph) {
    while (graph.streams.size() + 1 < graph.lanes) graph.streams.push_back(create_stream(*stream->device, false, 0));
    auto on = [&](std::size_t lane) { return lane ? graph.streams[lane - 1] : stream; };
    std::vector<Nanos> gathered(graph.lanes);
    int error = OK;
    auto run = [&](std::size_t lane) {
        if (gathered[lane] && error == OK) error = follow_up(on(lane), WorkKind::Graph, gathered[lane], nullptr);
        gathered[lane] = 0;
    };
    std::map<const Moment*, MomentRef> marks;
    for (const Step& step : graph.steps) {
        const Work& work = step.work;
        if (work.type == Work::Type::Run && !work.effect) {
            gathered[step.lane] += (gathered[step.lane] ? from_us(profile().graph_gap_us) : 0) + work.duration;
            continue;
        }
        run(step.lane);
        if (error != OK) break;
        switch (work.type) {
            case Work::Type::Run:
            case Work::Type::Meet: error = follow_up(on(step.lane), work.kind, work.duration, work.renew, work.effect); break;
            case Work::Type::Record:
                error = record(on(step.lane), marks[work.moment.get()] = std::make_shared<Moment>());
                break;
            case Work::Type::Wait: error = wait(on(step.lane), marks[work.moment.get()]); break;
        }
    }
    for (std::size_t lane = 0; lane < graph.lanes; ++lane) run(lane);
    return error;
}

}  // namespace

std::size_t Capture::lane_of(Stream& stream) {
    const auto [found, isnew] = lanes.emplace(&stream, lanes.size());
    if (isnew) {
        places.emplace_back();
        for (Place& place : places) place.before.resize(places.size());
    }
    return found->second;
}

void begin_capture(Stream& stream) {
    stream.capture = std::make_shared<Capture>();
    stream.capture->id = next_id.fetch_add(1);
    stream.capture->origin = &stream;
    stream.capture->lane_of(stream);
}

int end_capture(Stream& stream, Graph& graph) {
    const std::shared_ptr<Capture> capture = stream.capture;
    const std::lock_guard<std::mutex> guard(captures_lock);
    for (const auto& [moment, place] : capture->marks) captured_moments.erase(moment);
    for (auto& [member, lane] : capture->lanes) member->capture = nullptr;
    const Capture::Place& end = capture->places[0];
    for (std::size_t lane = 0; lane < capture->places.size(); ++lane)
        if (end.before[lane] < capture->places[lane].before[lane]) return CAPTURE_UNJOINED;
    graph = std::move(capture->graph);
    graph.length = end.reach;
    graph.lanes = capture->places.size();
    return OK;
}

void capture_work(Stream& stream, Work work) {
    Capture& capture = *stream.capture;
    const std::size_t lane = capture.lane_of(stream);
    Graph& graph = capture.graph;
    // Nodes of a graph that wait for each other have a gap between them as well, if a smaller one.
    Nanos& reach = capture.places[lane].reach;
    reach += (reach ? from_us(profile().graph_gap_us) : 0) + work.duration;
    ++capture.places[lane].before[lane];
    ++graph.works;
    graph.worked += work.duration;
    graph.meets = graph.meets || work.renew;
    graph.copies = graph.copies || work.effect;
    graph.steps.push_back({lane, std::move(work)});
}

void capture_record(Stream& stream, const MomentRef& moment) {
    Capture& capture = *stream.capture;
    const std::size_t lane = capture.lane_of(stream);
    moment->captured.store(true);
    capture.marks[moment.get()] = capture.places[lane];
    Work mark{Work::Type::Record};
    mark.moment = moment;
    capture.graph.steps.push_back({lane, std::move(mark)});
    const std::lock_guard<std::mutex> guard(captures_lock);
    captured_moments[moment.get()] = stream.capture;
}

int capture_wait(Stream& stream, const MomentRef& moment) {
    std::shared_ptr<Capture> capture;
    {
        const std::lock_guard<std::mutex> guard(captures_lock);
        const auto found = captured_moments.find(moment.get());
        if (found != captured_moments.end()) capture = found->second.lock();
    }
    if (!capture) return moment->captured.load() ? CAPTURED_EVENT : CAPTURE_ISOLATION;
    if (stream.capture && stream.capture != capture) return CAPTURE_ISOLATION;
    stream.capture = capture;
    const std::size_t lane = capture->lane_of(stream);
    const Capture::Place& mark = capture->marks[moment.get()];
    Capture::Place& place = capture->places[lane];
    place.reach = std::max(place.reach, mark.reach);
    for (std::size_t each = 0; each < mark.before.size(); ++each)
        place.before[each] = std::max(place.before[each], mark.before[each]);
    Work hold{Work::Type::Wait};
    hold.moment = moment;
    capture->graph.steps.push_back({lane, std::move(hold)});
    return OK;
}

int launch_graph(Stream* stream, const std::shared_ptr<Graph>& graph) {
    if (!graph->meets) {
        std::function<void()> effect;
        if (graph->copies) effect = [graph, device = stream->device->index] { replay_copies(*graph, device); };
        return launch(stream, WorkKind::Graph, graph->length, std::move(effect), graph->worked, now(),
                      static_cast<double>(graph->works));
    }
    const LaunchCall call(*stream->device);
    return replay(stream, *graph);
}

}  // namespace emulator
