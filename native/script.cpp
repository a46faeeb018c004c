// A TorchScript module as a Model.
#include <c10/core/InferenceMode.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>

#include <sstream>

#include "loop.h"
#include "model.h"

namespace native {

namespace {

class ScriptModel : public Model {
 public:
  ScriptModel(torch::jit::Module loaded, c10::Device device)
      : Model(device), module_(std::move(loaded)), forward_(module_.get_method("forward").function()) {
    stack_.reserve(8);
  }

  void step() override {
    invoke();
    stack_.clear();
  }

  at::Tensor call() override {
    invoke();
    TORCH_CHECK(stack_.size() == 1 && stack_.back().isTensor(), "the model's output is not one tensor");
    auto output = std::move(stack_.back()).toTensor();
    stack_.clear();
    return output;
  }

 private:
  // The stack is kept between steps, so that a step allocates nothing of ours.
  void invoke() {
    stack_.clear();  // what a step that failed left there
    stack_.emplace_back(module_._ivalue());
    for (const auto& input : inputs) stack_.emplace_back(input);
    if (filled_for_ != inputs.size()) fill();
    stack_.insert(stack_.end(), defaults_.begin(), defaults_.end());
    forward_.run(stack_);
  }

  // Of arguments that are not given, what the model's own defaults are: a function that is run has to have them all.
  void fill() {
    const size_t given = stack_.size();
    auto whole = stack_;
    forward_.getSchema().checkAndNormalizeInputs(whole, {});
    defaults_.assign(whole.begin() + static_cast<std::ptrdiff_t>(given), whole.end());
    filled_for_ = inputs.size();
  }

  torch::jit::Module module_;
  torch::jit::Function& forward_;
  torch::jit::Stack stack_;
  std::vector<c10::IValue> defaults_;
  size_t filled_for_ = 0;
};

template <class Source>
std::shared_ptr<Model> load_from(Source& source, const std::string& device) {
  // Whatever the caller's thread is set to: parameters are ordinary tensors, as in the model that was saved.
  c10::InferenceMode ordinary(false);
  const auto where = existing_device(device);
  return std::make_shared<ScriptModel>(torch::jit::load(source, where), where);
}

}  // namespace

std::shared_ptr<Model> load_script(const char* bytes, size_t size, const std::string& device) {
  std::istringstream stream(std::string(bytes, size));
  return load_from(stream, device);
}

std::shared_ptr<Model> load_script_file(const std::string& path, const std::string& device) {
  return load_from(path, device);
}

}  // namespace native
