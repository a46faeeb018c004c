#include "placing.h"

#include <algorithm>
#include <mutex>
#include <thread>
#include <utility>

#include "memory.h"

namespace emulator {
namespace {

// A kernel may have written any memory; a copy, a memset or a collective only its target.
bool may_write_all(WorkKind kind) {
    return kind != WorkKind::Copy && kind != WorkKind::Memset && kind != WorkKind::Collective && kind != WorkKind::Hold;
}

// Give the works at the head of a stream their place; answers whether any got one.
bool place(Stream& stream) {
    Device& device = *stream.device;
    bool any = false;
    while (!stream.pending.empty() && device.error.load() == 0) {
        Work& work = stream.pending.front();
        // Real devices need a moment between two works, whatever is queued.
        const bool runs = work.type == Work::Type::Run || work.type == Work::Type::Meet;
        const Nanos free = runs && stream.ran ? stream.ran + from_us(profile().queued_gap_us) : 0;
        const Nanos start = std::max({stream.tail, free, work.earliest});
        Nanos end = start;
        switch (work.type) {
            case Work::Type::Run:
                end = start + work.duration;
                break;
            case Work::Type::Record:
                work.moment->at.store(std::max<Nanos>(start, 1));  // 0 would be no time yet
                break;
            case Work::Type::Wait: {
                const Nanos at = work.moment->at.load();
                if (!at) return any;
                end = std::max(start, at);
                break;
            }
            case Work::Type::Meet:
                if (!work.arrived) {
                    work.arrived = true;
                    work.meeting->arrive(start);
                }
                end = work.meeting->end();
                if (!end) {
                    device.context->open_since.store(start);
                    return any;
                }
                end = std::max(end, start);
                work.meeting->deliver();
                break;
        }
        if (runs) {
            // A gap that the device makes itself is no idleness: NVML's share of time with work on it holds it.
            device.context->add_busy(start == free ? stream.ran : start, end);
            // After it, so that no sampler sees the device idle in between.
            if (work.type == Work::Type::Meet && device.context->open_since.load() == start)
                device.context->open_since.store(0);
            device.context->work_ns.fetch_add(std::max(work.worked, end - start));
            trace({work.called, work.returned, start, end, work.modelled, static_cast<std::uint16_t>(device.index), work.kind,
                   stream.id});
            stream.ran = end;
            stream.ends[stream.placed++ % QUEUE] = end;
            // A graph with copies in it does both in its own order.
            if (may_write_all(work.kind) && !work.effect) forget_contents(device.index);
        }
        stream.tail = end;
        if (work.effect) work.effect();
        stream.pending.pop_front();
        any = true;
    }
    return any;
}

}  // namespace

bool place_device(Device& device) {
    bool any = false, again = true;
    while (again) {  // a stream may wait for another one's event
        again = false;
        for (auto& stream : device.streams) again = place(*stream) || again;
        any = any || again;
    }
    return any;
}

void append(Stream& stream, Work work) {
    stream.pending.push_back(std::move(work));
    place(stream);
}

bool place_all() {
    bool any = false;
    for (int index = 0; index < visible_devices(); ++index) {
        if (!used(index)) continue;
        Device* each = device(index);
        const std::lock_guard<std::mutex> guard(each->lock);
        any = place_device(*each) || any;
        // Also where nothing was left to place: another thread's call may have placed it, and wakes nobody.
        each->placed.notify_all();
    }
    return any;
}

void listen_for_doorbell() {
    static std::once_flag once;
    std::call_once(once, [] {
        std::thread([] {
            for (;;) {
                const std::uint32_t seen = node().doorbell.load();
                while (place_all()) {
                }
                node().await_ring(seen);
            }
        }).detach();
    });
}

}  // namespace emulator
