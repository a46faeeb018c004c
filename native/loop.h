// Loaded models and the loop that drives them; shared by the library for Python and the program without.
// In: a saved model, an input. Out: steps, an output. Must not know Python, nor how it is timed.
// No torch header here, so that only the files that need torch's headers take long to compile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace native {

// A model on its device, bound to an input. Not for two threads at the same time; different ones are.
class Model;

// Where a tensor's elements lie. dtype: float64, float32, float16, bfloat16, int64, int32, int16, int8, uint8 or bool;
// row-major, without gaps.
struct View {
  const void* data;
  std::vector<int64_t> sizes;
  std::string dtype;
};

// All of these throw; describe_error() makes a line of text of what is in flight.

// Intra-op threads, and denormal numbers flushed to zero, as in a rank of the harness.
void set_up(int threads);

// Throws where there is no such device. device: cpu, cuda or cuda:N.
void check_device(const std::string& device);
void wait_for(const std::string& device);
// What the device calls itself; empty where it does not tell. Of a CPU the processor's name.
std::string device_name(const std::string& device);
// Peak of the device's memory since the process began, MiB; negative where it is not told. Of a CPU the process's.
double peak_memory_mib(const std::string& device);

std::shared_ptr<Model> load_script(const char* bytes, size_t size, const std::string& device);
std::shared_ptr<Model> load_script_file(const std::string& path, const std::string& device);
std::shared_ptr<Model> load_package_file(const std::string& path, const std::string& device);

// One input more, in the order of the model's arguments. share_input: the elements lie on the model's device and must outlive the model. copy_input: they lie on the host.
void share_input(Model& model, const View& input);
void copy_input(Model& model, const View& input);

// steps times: each model once, in turn. A result is dropped as soon as it is there, as the loop in Python does it.
void run(Model* const* models, size_t count, int64_t steps);

// One call, whose output is kept until the next keep_output or drop_output; answers its sizes, and what they are of.
std::vector<int64_t> keep_output(Model& model);
std::string kept_dtype(const Model& model);
// The kept output to memory on the model's device, of the kept output's sizes.
void copy_output(Model& model, void* data, const std::string& dtype);
void drop_output(Model& model);

// One call; the largest difference of its output from what is expected (on the host), relative to the largest
// value expected. Infinite for another shape or type, or where a value is not a number.
double difference(Model& model, const View& expected);

// The exception in flight as one line; to be called in a catch block.
std::string describe_error() noexcept;

}  // namespace native
