// Devices, streams and events of this process. Work is not done but given its place in time: each stream is a
// line of works, each beginning when the one before has ended and the host's call has reached the device.
// A work's place is known as soon as it is queued, unless it waits for a collective that other ranks have not
// reached; then it, and what stands behind it, waits in the stream until they have.
#pragma once
#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "node.h"
#include "profile.h"
#include "trace.h"

namespace emulator {

// Launches that a stream holds before the next one blocks the host. NVIDIA documents no number; about 1,024 is
// what is seen on real devices.
constexpr std::uint64_t QUEUE = 1024;

// A point in time that may not be known yet (0).
struct Moment {
    std::atomic<Nanos> at{0};
    std::atomic<bool> captured{false};  // it stands in a graph and has no time
};
using MomentRef = std::shared_ptr<Moment>;

// Where streams of several processes meet: a collective.
class Meeting {
   public:
    virtual ~Meeting() = default;
    // This stream has come to it, at that time. Called once.
    virtual void arrive(Nanos at) = 0;
    // When it ends; 0 while others have not come.
    virtual Nanos end() = 0;
    // Move the data, once it has ended.
    virtual void deliver() = 0;
};

using MeetingMaker = std::function<std::shared_ptr<Meeting>()>;

struct Work {
    enum class Type { Run, Record, Wait, Meet };
    Type type;
    WorkKind kind = WorkKind::Kernel;
    Nanos earliest = 0;  // the host's call has reached the device
    Nanos duration = 0;
    Nanos modelled = 0;  // duration without jitter and faults
    Nanos called = 0, returned = 0;
    MomentRef moment;
    std::shared_ptr<Meeting> meeting;
    MeetingMaker renew;            // a collective's, to meet anew at every replay of a graph
    std::function<void()> effect;  // bytes to move once it has run
    Nanos worked = 0;              // sum of what runs in it, where that is more than its duration
    bool arrived = false;
};

struct Capture;
struct Device;

struct Stream {
    Device* device;
    std::uint32_t id;
    bool waits_for_default;  // created without cudaStreamNonBlocking
    int priority = 0;
    bool destroyed = false;     // its handle is gone, its work is not
    std::deque<Work> pending;  // works whose place in time is not known yet
    Nanos tail = 0;            // end of the last work whose place is known
    Nanos ran = 0;             // the same, of one that ran
    std::uint64_t queued = 0, placed = 0;
    Nanos ends[QUEUE] = {};  // of the last launches that are placed
    std::shared_ptr<Capture> capture;
};

struct Device {
    int index;
    std::mutex lock;
    std::condition_variable placed;  // a waiting work got its place
    std::vector<std::unique_ptr<Stream>> streams;
    Stream* legacy = nullptr;
    std::once_flag opened;
    Context* context = nullptr;
    std::atomic<bool> used{false};  // this process has a context on it
    std::atomic<int> error{0};  // sticky: a device that has failed fails every further call of this process
    std::uint32_t next_stream = 1;
};

// Devices this process sees (CUDA_VISIBLE_DEVICES), by their index here.
int visible_devices();
// The node's index of a visible device.
int physical(int visible);

// The visible device, with this process's context on it. Null for an index that there is not.
Device* device(int visible);
// Whether this process uses it; unlike the call above, asking makes no context.
bool used(int visible);
// The calling thread's current device.
int current_index();
void set_current(int visible);
Device& current();

// The stream behind a handle: null and 1 are the current device's default stream, 2 the thread's own.
Stream* stream_of(void* handle);
Stream* create_stream(bool waits_for_default, int priority);
Stream* create_stream(Device& device, bool waits_for_default, int priority);
// What is queued on it still runs.
void destroy_stream(Stream* stream);

// The device has failed for this process: nothing more is placed, nobody waits any longer.
void fail(Device& device, int error);

// Host time that a launch call takes: from `called` to destruction at least the profile's launch cost.
class LaunchCall {
   public:
    explicit LaunchCall(Device& device, Nanos called = now());
    ~LaunchCall();
    Nanos called() const { return called_; }
    Nanos returns() const { return returns_; }

   private:
    Device& device_;
    Nanos called_, returns_;
};

// Queue a piece of work on a stream; blocks while its queue is full. worked: see Work. called: when the host's call
// began, for one that had something to look up first. works: how many run in it. All answer a cudaError_t.
int launch(Stream* stream, WorkKind kind, Nanos duration, std::function<void()> effect = nullptr, Nanos worked = 0,
           Nanos called = now(), double works = 1);
// A collective. duration: once all have come, for the length of a captured graph.
int launch_meeting(Stream* stream, Nanos duration, const MeetingMaker& make);
// A further piece of a graph that is being launched: costs the host nothing more.
int follow_up(Stream* stream, WorkKind kind, Nanos duration, const MeetingMaker& make, std::function<void()> effect = nullptr);
int record(Stream* stream, const MomentRef& moment);
int wait(Stream* stream, const MomentRef& moment);

// Block until all that is queued now is done. Answers a cudaError_t.
int synchronize(Stream* stream);
int synchronize(Device& device);
int synchronize(Device& device, const MomentRef& moment);
// Whether all is done.
bool idle(Stream* stream);
// Whether a graph is being captured on the device: waiting for the device has no meaning then.
bool capturing(Device& device);

// Place what can be placed on all devices; answers whether anything was. Called when the doorbell has rung.
bool place_all();
// Have a thread of this process wait for the doorbell from now on.
void listen_for_doorbell();

}  // namespace emulator
