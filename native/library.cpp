// The C functions that harness/modes/native_loop.py calls through ctypes, which lets go of the interpreter lock meanwhile.
// An error is answered as a status, its text by native_error(); no exception leaves, and nothing aborts.
#include <cstring>
#include <stdexcept>

#include "loop.h"

namespace {

struct Handle {
  std::shared_ptr<native::Model> model;
};

thread_local std::string last_error;

template <class Action>
auto guarded(Action action, decltype(action()) on_error) noexcept -> decltype(action()) {
  try {
    return action();
  } catch (...) {
    last_error = native::describe_error();
    return on_error;
  }
}

}  // namespace

extern "C" {

// What went wrong in the last call of this thread that answered an error.
const char* native_error() { return last_error.c_str(); }

// A TorchScript archive in memory, loaded onto a device; null on error.
void* native_load(const char* bytes, size_t size, const char* device) {
  return guarded([&]() -> void* { return new Handle{native::load_script(bytes, size, device)}; }, nullptr);
}

void native_free(void* handle) { delete static_cast<Handle*>(handle); }

// One input more, sharing its memory, which lies on the model's device. 0, or 1 on error, as all that follow.
int native_bind(void* handle, void* data, const int64_t* sizes, size_t dimensions, const char* dtype) {
  return guarded(
      [&] {
        native::share_input(*static_cast<Handle*>(handle)->model, {data, {sizes, sizes + dimensions}, dtype});
        return 0;
      },
      1);
}

int native_run(void* const* handles, size_t count, int64_t steps) {
  return guarded(
      [&] {
        std::vector<native::Model*> models;
        for (size_t i = 0; i < count; ++i) models.push_back(static_cast<Handle*>(handles[i])->model.get());
        native::run(models.data(), count, steps);
        return 0;
      },
      1);
}

// One call whose output is kept; its sizes into `sizes`, their number into `dimensions` (on entry: the room), and what
// it is of into `dtype`, which has `letters` of room.
int native_call(void* handle, int64_t* sizes, size_t* dimensions, char* dtype, size_t letters) {
  return guarded(
      [&] {
        auto& model = *static_cast<Handle*>(handle)->model;
        const auto found = native::keep_output(model);
        const auto name = native::kept_dtype(model);
        if (name.size() >= letters) throw std::length_error("a name of a type that is too long");
        std::memcpy(dtype, name.c_str(), name.size() + 1);
        if (found.size() > *dimensions) throw std::length_error("the output has too many dimensions");
        std::memcpy(sizes, found.data(), found.size() * sizeof(int64_t));
        *dimensions = found.size();
        return 0;
      },
      1);
}

// The kept output to `data` on the model's device, and let go of it.
int native_take(void* handle, void* data, const char* dtype) {
  return guarded(
      [&] {
        auto& model = *static_cast<Handle*>(handle)->model;
        native::copy_output(model, data, dtype);
        native::drop_output(model);
        return 0;
      },
      1);
}

}  // extern "C"
