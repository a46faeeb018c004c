// CUDA graphs: capture notes works instead of running them, a launch replays them at the cost of one.
#pragma once
#include <map>

#include "timeline.h"

namespace emulator {

// A captured call. lane: which of the captured streams it was made on; the first is the capture's own.
struct Step {
    std::size_t lane;
    Work work;  // of a Record or Wait its moment is the name of what is waited for
};

struct Graph {
    std::vector<Step> steps;
    std::size_t works = 0, lanes = 1;
    Nanos length = 0;  // of the longest chain of works that wait for each other
    Nanos worked = 0;
    bool meets = false;    // it holds collectives
    bool copies = false;   // it holds copies whose bytes are to be moved
    // For the lanes but the first, of an executable graph with collectives. Made at its first launch.
    std::vector<Stream*> streams;
};

struct Capture {
    // A place in the graph: how far it is from the start, and how many works of each lane come before it.
    struct Place {
        Nanos reach = 0;
        std::vector<std::size_t> before;
    };
    std::uint64_t id;
    Stream* origin;
    std::map<Stream*, std::size_t> lanes;
    std::vector<Place> places;  // where each lane is
    std::map<const Moment*, Place> marks;
    Graph graph;

    std::size_t lane_of(Stream& stream);
};

// All with the stream's device locked.
void begin_capture(Stream& stream);
// Answers a cudaError_t; the capture is over also where that is one.
int end_capture(Stream& stream, Graph& graph);
void capture_work(Stream& stream, Work work);
void capture_record(Stream& stream, const MomentRef& moment);
// The stream takes part in the capture that the moment belongs to from then on. Answers a cudaError_t.
int capture_wait(Stream& stream, const MomentRef& moment);

int launch_graph(Stream* stream, const std::shared_ptr<Graph>& graph);

}  // namespace emulator
