#include "loop.h"

#include <ATen/Context.h>
#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "model.h"

namespace native {

namespace {

constexpr std::pair<const char*, c10::ScalarType> kTypes[] = {
    {"float64", c10::kDouble}, {"float32", c10::kFloat}, {"float16", c10::kHalf}, {"bfloat16", c10::kBFloat16},
    {"int64", c10::kLong},     {"int32", c10::kInt},     {"int16", c10::kShort},  {"int8", c10::kChar},
    {"uint8", c10::kByte},     {"bool", c10::kBool}};

c10::ScalarType type_of(const std::string& name) {
  for (const auto& [known, type] : kTypes) {
    if (name == known) return type;
  }
  TORCH_CHECK(false, "dtype=", name, ": not one of float64, float32, float16, bfloat16, nor of whole numbers");
}

at::Tensor tensor_at(const View& view, c10::Device device) {
  const auto options = at::TensorOptions().dtype(type_of(view.dtype)).device(device);
  // The device is named: asking the driver whose memory it is would be a call more that can fail.
  return at::for_blob(const_cast<void*>(view.data), view.sizes).options(options).target_device(device).make_tensor();
}

at::Tensor call(Model& model) {
  TORCH_CHECK(!model.inputs.empty(), "the model has no input");
  c10::InferenceMode guard;
  return model.call();
}

}  // namespace

void set_up(int threads) {
  at::set_num_threads(threads);
  at::set_num_interop_threads(1);
  at::globalContext().setFlushDenormal(true);
}

c10::Device existing_device(const std::string& name) {
  TORCH_CHECK(name == "cpu" || name.rfind("cuda", 0) == 0, "allowed: cpu, cuda, cuda:N");
  c10::Device device(name);
  if (device.is_cpu()) return device;
  const int present =
      c10::impl::hasDeviceGuardImpl(device.type()) ? c10::impl::VirtualGuardImpl(device.type()).deviceCount() : 0;
  if (!device.has_index()) device.set_index(0);
  TORCH_CHECK(device.index() < present, "allowed: one of the ", present, " CUDA devices that torch sees here");
  return device;
}

void check_device(const std::string& device) { existing_device(device); }

void wait_for(const std::string& device) {
  const auto where = existing_device(device);
  if (!where.is_cpu()) c10::impl::VirtualGuardImpl(where.type()).synchronizeDevice(where.index());
}

void share_input(Model& model, const View& input) { model.bind(tensor_at(input, model.device)); }

void copy_input(Model& model, const View& input) {
  model.bind(tensor_at(input, c10::kCPU).to(model.device, /*non_blocking=*/false, /*copy=*/true));
}

void run(Model* const* models, size_t count, int64_t steps) {
  for (size_t i = 0; i < count; ++i) TORCH_CHECK(!models[i]->inputs.empty(), "the model has no input");
  c10::InferenceMode guard;
  for (int64_t step = 0; step < steps; ++step) {
    for (size_t i = 0; i < count; ++i) models[i]->step();
  }
}

std::vector<int64_t> keep_output(Model& model) {
  model.kept = call(model).contiguous();
  return model.kept.sizes().vec();
}

std::string kept_dtype(const Model& model) {
  for (const auto& [known, type] : kTypes) {
    if (model.kept.scalar_type() == type) return known;
  }
  TORCH_CHECK(false, "the output is ", model.kept.scalar_type());
}

void copy_output(Model& model, void* data, const std::string& dtype) {
  TORCH_CHECK(model.kept.defined(), "no output is kept");
  TORCH_CHECK(model.kept.scalar_type() == type_of(dtype), "the output is ", model.kept.scalar_type(), ", not ", dtype);
  c10::InferenceMode guard;
  tensor_at({data, model.kept.sizes().vec(), dtype}, model.device).copy_(model.kept);
}

void drop_output(Model& model) { model.kept.reset(); }

double difference(Model& model, const View& expected) {
  constexpr double unlike = std::numeric_limits<double>::infinity();
  const auto ours = call(model).cpu();
  c10::InferenceMode guard;
  const auto theirs = tensor_at(expected, c10::kCPU);
  if (ours.sizes() != theirs.sizes() || ours.scalar_type() != theirs.scalar_type()) return unlike;
  if (ours.numel() == 0) return 0.0;
  const auto wanted = theirs.to(c10::kDouble);
  const double scale = wanted.abs().max().item().toDouble();
  const double gap = ours.to(c10::kDouble).sub(wanted).abs().max().item().toDouble();
  const double relative = gap / (scale == 0.0 ? 1.0 : scale);
  return relative == relative ? relative : unlike;
}

std::string describe_error() noexcept {
  try {
    std::string text;
    try {
      throw;
    } catch (const c10::Error& error) {
      text = error.what_without_backtrace();
    } catch (const std::exception& error) {
      text = error.what();
    } catch (...) {
      text = "an error of an unknown kind";
    }
    // TorchScript tells the model's lines first, and the reason last.
    if (const auto reason = text.rfind("RuntimeError: "); reason != std::string::npos) text.erase(0, reason + 14);
    std::string line;
    for (const char c : text) {
      const bool blank = c == ' ' || (c >= '\t' && c <= '\r');
      if (!blank) line += c;
      else if (!line.empty() && line.back() != ' ') line += ' ';
    }
    while (!line.empty() && line.back() == ' ') line.pop_back();
    if (line.size() > 500) line = line.substr(0, 497) + "...";
    return line.empty() ? "an error without a text" : line;
  } catch (...) {
    return {};
  }
}

}  // namespace native
