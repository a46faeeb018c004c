#include "timeline.h"

#include <algorithm>
#include <chrono>

#include "capture.h"
#include "errors.h"
#include "faults.h"
#include "jitter.h"
#include "placing.h"

namespace emulator {
namespace {

Nanos latency() { return varied(Varied::Latency, from_us(profile().launch_latency_us)); }

// Legacy default-stream semantics: its work waits for all streams that were created blocking, and theirs for it.
void join_default(Stream& stream, Nanos called) {
    Device& device = *stream.device;
    auto follow = [&](Stream& other) {
        if (other.pending.empty() && stream.pending.empty()) {
            stream.tail = std::max(stream.tail, other.tail);
            return;
        }
        auto moment = std::make_shared<Moment>();
        Work mark{Work::Type::Record};
        mark.earliest = called;
        mark.moment = moment;
        append(other, std::move(mark));
        Work hold{Work::Type::Wait};
        hold.moment = moment;
        append(stream, std::move(hold));
    };
    if (&stream == device.legacy) {
        for (auto& other : device.streams)
            if (other.get() != &stream && other->waits_for_default) follow(*other);
    } else if (stream.waits_for_default) {
        follow(*device.legacy);
    }
}

// Wait for something that placing works brings about, or for the device to fail. Looks up now and then, since another
// process can lose the device as well.
template <class Condition>
void await_placed(Device& device, std::unique_lock<std::mutex>& guard, Condition&& condition) {
    constexpr std::chrono::seconds LOOK_UP{1};
    const auto over = [&] { return condition() || device.error.load() != 0; };
    while (!device.placed.wait_for(guard, LOOK_UP, over)) {
        if (node().devices[device.index].lost.load()) fail(device, DEVICE_LOST);
        // An event of another device can get its time between two looks at the devices (place_all).
        place_device(device);
    }
}

// When all that is queued on the stream now is done. The device is locked.
MomentRef end_of(Stream& stream) {
    auto moment = std::make_shared<Moment>();
    Work mark{Work::Type::Record};
    mark.moment = moment;
    append(stream, std::move(mark));
    return moment;
}

// Block until then; `guard` holds the device's lock.
int await_moments(Device& device, std::unique_lock<std::mutex>& guard, const std::vector<MomentRef>& moments) {
    Nanos last = 0;
    await_placed(device, guard, [&] {
        last = 0;
        for (const MomentRef& moment : moments) {
            const Nanos at = moment->at.load();
            if (!at) return false;
            last = std::max(last, at);
        }
        return true;
    });
    guard.unlock();
    if (!device.error.load()) wait_until(last);
    return device.error.load();
}

// Block while the stream's launch queue is full. `guard` holds the device's lock on entry and on return.
void await_room(Stream& stream, std::unique_lock<std::mutex>& guard) {
    Device& device = *stream.device;
    if (stream.queued < QUEUE) return;
    const std::uint64_t ahead = stream.queued - QUEUE;  // this one must have left the queue
    await_placed(device, guard, [&] { return stream.placed > ahead; });
    if (device.error.load()) return;
    const Nanos left = stream.ends[ahead % QUEUE];
    if (left <= now()) return;
    guard.unlock();
    wait_until(left);
    guard.lock();
}

int enqueue(Stream* stream, Work work, Nanos called, Nanos returns, double works = 1) {
    Device& device = *stream->device;
    std::unique_lock<std::mutex> guard(device.lock);
    if (const int error = device.error.load()) return error;
    if (stream->capture) {
        capture_work(*stream, std::move(work));
        return OK;
    }
    work.modelled = work.duration;
    if (const double factor = slowness(device.index) * clock_factor(device.index, called); factor != 1) {
        work.duration = static_cast<Nanos>(static_cast<double>(work.duration) * factor);
        work.worked = static_cast<Nanos>(static_cast<double>(work.worked) * factor);
    }
    if (work.kind != WorkKind::Hold) work.duration = varied(Varied::Kernel, work.duration, works);
    if (work.renew) work.meeting = work.renew();
    if (strikes(Fault::Lost, device.index)) node().devices[device.index].lost.store(1);
    if (node().devices[device.index].lost.load()) {
        fail(device, DEVICE_LOST);
        return DEVICE_LOST;
    }
    if (strikes(Fault::Launch, device.index)) {
        // As on a real device: the launch itself succeeds, what follows meets the error.
        fail(device, LAUNCH_FAILED);
        return OK;
    }
    join_default(*stream, called);
    await_room(*stream, guard);
    if (const int error = device.error.load()) return error;
    ++stream->queued;
    device.context->launches.fetch_add(1);
    work.called = called;
    const Nanos at = now();
    work.returned = std::max(returns, at);
    work.earliest = std::max(work.earliest, at + latency());
    append(*stream, std::move(work));
    return OK;
}

}  // namespace

void fail(Device& device, int error) {
    device.error.store(error);
    if (device.context) device.context->open_since.store(0);
    device.placed.notify_all();
}

LaunchCall::LaunchCall(Device& device, Nanos called)
    : device_(device), called_(called), returns_(called + varied(Varied::Call, from_us(profile().launch_host_us))) {}

LaunchCall::~LaunchCall() {
    const Nanos returned = spin_until(returns_);
    if (device_.context) device_.context->launch_host_ns.fetch_add(returned - called_);
}

int launch(Stream* stream, WorkKind kind, Nanos duration, std::function<void()> effect, Nanos worked, Nanos called,
           double works) {
    const LaunchCall call(*stream->device, called);
    Work work{Work::Type::Run};
    work.kind = kind;
    work.duration = duration;
    work.worked = worked;
    work.effect = std::move(effect);
    return enqueue(stream, std::move(work), call.called(), call.returns(), works);
}

int launch_meeting(Stream* stream, Nanos duration, const MeetingMaker& make) {
    const LaunchCall call(*stream->device);
    return follow_up(stream, WorkKind::Collective, duration, make);
}

int follow_up(Stream* stream, WorkKind kind, Nanos duration, const MeetingMaker& make, std::function<void()> effect) {
    Work work{make ? Work::Type::Meet : Work::Type::Run};
    work.kind = kind;
    work.duration = duration;
    work.renew = make;
    work.effect = std::move(effect);
    const Nanos called = now();
    return enqueue(stream, std::move(work), called, called + from_us(profile().launch_host_us));
}

int record(Stream* stream, const MomentRef& moment) {
    Device& device = *stream->device;
    const std::lock_guard<std::mutex> guard(device.lock);
    if (const int error = device.error.load()) return error;
    if (stream->capture) {
        capture_record(*stream, moment);
        return OK;
    }
    Work work{Work::Type::Record};
    work.moment = moment;
    work.earliest = now() + latency();
    join_default(*stream, work.earliest);
    append(*stream, std::move(work));
    return OK;
}

int wait(Stream* stream, const MomentRef& moment) {
    Device& device = *stream->device;
    const std::lock_guard<std::mutex> guard(device.lock);
    if (const int error = device.error.load()) return error;
    if (stream->capture || moment->captured.load()) return capture_wait(*stream, moment);
    Work work{Work::Type::Wait};
    work.moment = moment;
    append(*stream, std::move(work));
    return OK;
}

int synchronize(Device& device, const MomentRef& moment) {
    if (moment->captured.load()) return CAPTURED_EVENT;
    std::unique_lock<std::mutex> guard(device.lock);
    return await_moments(device, guard, {moment});
}

int synchronize(Stream* stream) {
    Device& device = *stream->device;
    std::unique_lock<std::mutex> guard(device.lock);
    std::vector<MomentRef> moments{end_of(*stream)};
    // The default stream's next work would wait for the blocking streams, and so does who waits for it.
    if (stream == device.legacy)
        for (auto& other : device.streams)
            if (other->waits_for_default) moments.push_back(end_of(*other));
    return await_moments(device, guard, moments);
}

int synchronize(Device& device) {
    std::unique_lock<std::mutex> guard(device.lock);
    std::vector<MomentRef> moments;
    for (auto& stream : device.streams) moments.push_back(end_of(*stream));
    return await_moments(device, guard, moments);
}

bool idle(Stream* stream) {
    Device& device = *stream->device;
    const std::lock_guard<std::mutex> guard(device.lock);
    const Nanos at = now();
    const auto done = [&](const Stream& each) { return each.pending.empty() && each.tail <= at; };
    if (stream != device.legacy) return done(*stream);
    return std::all_of(device.streams.begin(), device.streams.end(),
                       [&](const auto& each) { return (each.get() != stream && !each->waits_for_default) || done(*each); });
}

bool capturing(Device& device) {
    const std::lock_guard<std::mutex> guard(device.lock);
    return std::any_of(device.streams.begin(), device.streams.end(), [](const auto& each) { return each->capture != nullptr; });
}

}  // namespace emulator
