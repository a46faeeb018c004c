// What a loaded model is made of, for the files that load one.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <string>
#include <vector>

namespace native {

class Model {
 public:
  explicit Model(c10::Device device) : device(device) {}
  virtual ~Model() = default;
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  virtual void step() = 0;
  virtual at::Tensor call() = 0;
  // One input more, in the order of the model's arguments.
  virtual void bind(at::Tensor given) { inputs.push_back(std::move(given)); }

  const c10::Device device;
  std::vector<at::Tensor> inputs;
  at::Tensor kept;
};

// The device of that name, which is there. Throws c10::Error otherwise.
c10::Device existing_device(const std::string& name);

}  // namespace native
