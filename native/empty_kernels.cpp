// The operators of a step without their kernels: a fallback below autograd and above the backends that answers them from
// a record, and loops over the record's parts. For harness/diagnosis/parts/empty_kernels.py, through ctypes.
// An error is answered as a status, its text by empty_error(); only what the fallback itself throws goes up to torch.
#include <ATen/EmptyTensor.h>
#include <ATen/Functions.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/core/Allocator.h>
#include <c10/core/impl/LocalDispatchKeySet.h>
#include <torch/library.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace {

using torch::jit::Stack;

enum class Kind {
  composite,  // calls other operators, which come by themselves
  view,       // allocates nothing; or notes something for a profiler
  answered,
};

// An argument's tensor whose memory an earlier call of the step made. slot: of that memory.
struct Made {
  c10::TensorImpl* tensor;
  size_t slot;
};

struct Call {
  c10::OperatorHandle op;
  size_t arguments = 0;
  c10::DispatchKeySet below{};
  std::vector<c10::IValue> given{};  // what is needed to make the call again
  std::vector<c10::IValue> outputs{};  // of those that are arguments, nothing
  std::vector<int> written{};  // of each output the argument that it is, or -1
  std::vector<Made> made{};  // among what is given
  std::vector<int> makes{};  // of each output the slot of the memory that it is new in, or -1
};

// What a step makes has new memory in every step, also where kernels run by themselves: else they would read from more
// of it than the step does, and find less in caches.
struct Slot {
  size_t bytes;
  size_t maker;  // the call
  // The recorded memory, in a storage of the record's own: backward adds in place to what nobody else has a storage of.
  c10::Storage recorded;
  // The step's own storage, while it is recorded or watched. It is not kept alive, but its address is.
  c10::weak_intrusive_ptr<c10::StorageImpl> of_step;
  int64_t end = -1;  // before which call it was gone: in the step after, counted on; -1 if it was not
  // Made anew where kernels run by themselves, and that of the step before, while the step has that too.
  c10::Storage memory{};
  c10::Storage before{};
};

struct Record {
  std::vector<Call> calls;
  size_t composites = 0, views = 0;
  std::map<std::string, c10::OperatorHandle> beside;  // those, by name
  std::vector<Slot> slots;
  std::unordered_map<const void*, size_t> slot_of;  // by the address of the step's storage
  // Of each call the slots that the step has given back before it; gradients are, in the step after.
  std::vector<std::vector<size_t>> ends;
  std::vector<size_t> watching;  // slots that the step has not given back yet
  size_t watched_steps = 0;
  size_t place = 0;
  int64_t taken_ns = 0;
};

enum class State { off, recording, watching, answering, timing };

// Of the process, not of a thread: backward runs in threads of its own, while who called it waits. Only threads that
// include the key come here, and those are that one and its own.
State state = State::off;
Record* current = nullptr;
c10::DispatchKey key = c10::DispatchKey::Undefined;
std::unique_ptr<torch::Library> registered;
// While a record is in use, composites and views go by as if there were no fallback: what calling one boxed takes would
// be counted with the step.
std::vector<c10::RegistrationHandleRAII> going_by;
thread_local std::string last_error;

template <class Action>
auto guarded(Action action, decltype(action()) on_error) noexcept -> decltype(action()) {
  try {
    return action();
  } catch (const std::exception& error) {
    last_error = error.what();
  } catch (...) {
    last_error = "an error that is no std::exception";
  }
  return on_error;
}

// A tensor of its own with the same memory: what autograd hangs on the one is not on the other.
at::Tensor twin(const at::Tensor& tensor) {
  if (!tensor.defined()) return tensor;
  return at::Tensor(tensor.unsafeGetTensorImpl()->shallow_copy_and_detach(
      c10::VariableVersion(0), /*allow_tensor_metadata_change=*/true));
}

// What a tensor is in while it is in nothing.
const c10::Storage nowhere{c10::Storage::use_byte_size_t(), 0, c10::DataPtr(nullptr, c10::Device(c10::kCPU)), nullptr, false};

c10::DataPtr sharing(const std::shared_ptr<c10::DataPtr>& owner) {
  using Owner = std::shared_ptr<c10::DataPtr>;
  return {owner->get(), new Owner(owner), [](void* one) { delete static_cast<Owner*>(one); }, owner->device()};
}

// Another storage of the same memory, which lives until both are gone.
c10::Storage shared(const c10::Storage& storage) {
  auto* impl = storage.unsafeGetStorageImpl();
  const auto owner = std::make_shared<c10::DataPtr>(impl->set_data_ptr(c10::DataPtr()));
  impl->set_data_ptr_noswap(sharing(owner));
  return {c10::Storage::use_byte_size_t(), storage.nbytes(), sharing(owner), nullptr, false};
}

// A storage as a kernel would have made it, but of memory that it does not own.
c10::Storage lent(const c10::Storage& storage) {
  c10::DataPtr there(storage.mutable_data(), storage.device());
  return {c10::Storage::use_byte_size_t(), storage.nbytes(), std::move(there), nullptr, false};
}

at::Tensor twin_in(const at::Tensor& tensor, const c10::Storage& storage) {
  at::Tensor made = twin(tensor);
  made.unsafeGetTensorImpl()->set_storage_keep_dtype(storage);
  return made;
}

bool has_memory(const at::Tensor& tensor) { return tensor.defined() && tensor.has_storage(); }

template <class Change>
c10::IValue changed(const c10::IValue& value, Change change) {
  if (value.isTensor()) return change(value.toTensor());
  if (value.isTensorList()) {
    c10::List<at::Tensor> list;
    for (const at::Tensor& each : value.toTensorVector()) list.push_back(change(each));
    return list;
  }
  if (value.isOptionalTensorList()) {
    c10::List<std::optional<at::Tensor>> list;
    for (const std::optional<at::Tensor>& each : value.toOptionalTensorVector()) {
      list.push_back(each ? std::make_optional(change(*each)) : std::nullopt);
    }
    return list;
  }
  return value;
}

Kind kind_of(const c10::OperatorHandle& op, c10::DispatchKeySet below) {
  const auto& name = op.schema().operator_name().name;
  if (name.rfind("profiler::", 0) == 0 || name.rfind("prim::", 0) == 0) return Kind::view;
  if (!op.hasKernelForDispatchKey(below.highestPriorityTypeId()) &&
      op.hasKernelForDispatchKey(c10::DispatchKey::CompositeImplicitAutograd)) {
    return Kind::composite;
  }
  for (const auto& output : op.schema().returns()) {
    if (output.alias_info() && !output.alias_info()->isWrite()) return Kind::view;
  }
  return Kind::answered;
}

std::vector<int> written_by(const c10::FunctionSchema& schema) {
  std::vector<int> found;
  for (const auto& output : schema.returns()) {
    int which = -1;
    if (const auto* alias = output.alias_info()) {
      for (size_t i = 0; i < schema.arguments().size(); ++i) {
        const auto* other = schema.arguments()[i].alias_info();
        if (other && other->isWrite() && other->beforeSets() == alias->beforeSets()) which = static_cast<int>(i);
      }
    }
    found.push_back(which);
  }
  return found;
}

bool is_given(at::ArrayRef<c10::IValue> given, const c10::Storage& memory) {
  bool found = false;
  for (const auto& each : given) {
    changed(each, [&](const at::Tensor& one) {
      found |= has_memory(one) && one.storage().unsafeGetStorageImpl() == memory.unsafeGetStorageImpl();
      return one;
    });
  }
  return found;
}

// What the step made that tensor's memory in; nullptr where it has not.
const Slot* slot_of(const Record& record, const at::Tensor& tensor) {
  if (!has_memory(tensor)) return nullptr;
  const auto found = record.slot_of.find(tensor.storage().unsafeGetStorageImpl());
  return found == record.slot_of.end() ? nullptr : &record.slots[found->second];
}

// Number of a slot for an output's memory; -1 where it is not new: a kernel may answer an argument of its own, or two
// tensors in the same memory.
int new_slot(Record& record, at::ArrayRef<c10::IValue> given, const c10::IValue& output) {
  if (!output.isTensor() || !has_memory(output.toTensor())) return -1;
  const auto& memory = output.toTensor().storage();
  if (slot_of(record, output.toTensor()) || is_given(given, memory)) return -1;
  const size_t number = record.slots.size();
  record.slots.push_back({memory.nbytes(), record.calls.size(), shared(memory), memory.getWeakStorageImpl()});
  record.slot_of.emplace(memory.unsafeGetStorageImpl(), number);
  return static_cast<int>(number);
}

void execute(const c10::OperatorHandle& op, c10::DispatchKeySet below, Stack* stack) {
  c10::impl::ExcludeDispatchKeyGuard without(key);
  op.redispatchBoxed(below, stack);
}

// What goes by as if there were no fallback when the record is in use: the operators that it calls come here, and are to
// be known as well.
void note_beside(const c10::OperatorHandle& op, Kind kind, c10::DispatchKeySet below, Stack* stack) {
  thread_local bool within_view = false;
  if (!within_view) ++(kind == Kind::view ? current->views : current->composites);
  current->beside.emplace(toString(op.operator_name()), op);
  struct Restored {
    bool before;
    ~Restored() { within_view = before; }
  } restored{std::exchange(within_view, within_view || kind == Kind::view)};
  op.redispatchBoxed(below, stack);
}

void record(const c10::OperatorHandle& op, c10::DispatchKeySet below, Stack* stack) {
  const auto& schema = op.schema();
  const Kind kind = kind_of(op, below);
  if (kind != Kind::answered) return note_beside(op, kind, below, stack);
  Call call{op};
  call.arguments = schema.arguments().size();
  call.below = below;
  const auto given = torch::jit::last(*stack, call.arguments);
  for (size_t i = 0; i < call.arguments; ++i) {
    const auto* alias = schema.arguments()[i].alias_info();
    const bool writes = alias && alias->isWrite();
    c10::impl::ExcludeDispatchKeyGuard without(key);
    at::AutoDispatchBelowADInplaceOrView below_autograd;
    call.given.push_back(changed(given[i], [&](const at::Tensor& each) {
      const Slot* slot = slot_of(*current, each);
      // What the kernel writes to when it is called again must not be the step's.
      if (!slot) return writes && has_memory(each) ? each.clone() : twin(each);
      at::Tensor copy = twin_in(each, nowhere);
      call.made.push_back({copy.unsafeGetTensorImpl(), static_cast<size_t>(slot - current->slots.data())});
      return copy;
    }));
  }
  // The call takes them off the stack.
  const std::vector<c10::IValue> before(given.begin(), given.end());
  execute(op, below, stack);
  call.written = written_by(schema);
  const auto outputs = torch::jit::last(*stack, call.written.size());
  for (size_t i = 0; i < call.written.size(); ++i) {
    call.makes.push_back(call.written[i] < 0 ? new_slot(*current, before, outputs[i]) : -1);
    call.outputs.push_back(call.written[i] >= 0 ? c10::IValue() : changed(outputs[i], [](const at::Tensor& each) {
      const Slot* slot = slot_of(*current, each);
      return slot ? twin_in(each, slot->recorded) : twin(each);
    }));
  }
  current->calls.push_back(std::move(call));
}

void answer(const Call& call, Stack* stack) {
  std::vector<c10::IValue> outputs;
  outputs.reserve(call.outputs.size());
  const size_t first = stack->size() - call.arguments;
  for (size_t i = 0; i < call.outputs.size(); ++i) {
    const int which = call.written[i];
    if (which >= 0) {
      outputs.push_back((*stack)[first + which]);
    } else if (call.makes[i] >= 0) {
      const auto& made = call.outputs[i].toTensor();
      outputs.push_back(twin_in(made, lent(made.storage())));
    } else {
      outputs.push_back(changed(call.outputs[i], twin));
    }
  }
  torch::jit::drop(*stack, call.arguments);
  for (auto& each : outputs) stack->push_back(std::move(each));
}

// What the step has given back until now. Two steps are watched: what the first one makes may live into the second.
void note_ends(Record& record, size_t number) {
  auto& watching = record.watching;
  const auto gone = std::stable_partition(watching.begin(), watching.end(), [&](size_t slot) {
    return !record.slots[slot].of_step.expired();
  });
  for (auto each = gone; each != watching.end(); ++each) {
    record.slots[*each].end = static_cast<int64_t>(record.watched_steps * record.calls.size() + number);
  }
  record.ends[number].insert(record.ends[number].end(), gone, watching.end());
  watching.erase(gone, watching.end());
}

void watch(Record& record, size_t number, const Stack& stack) {
  const Call& call = record.calls[number];
  const size_t first = stack.size() - call.outputs.size();
  for (size_t i = 0; i < call.makes.size() && record.watched_steps == 0; ++i) {
    if (call.makes[i] < 0) continue;
    record.slots[call.makes[i]].of_step = stack[first + i].toTensor().storage().getWeakStorageImpl();
    record.watching.push_back(call.makes[i]);
  }
  if (number + 1 == record.calls.size()) ++record.watched_steps;
}

int64_t now_ns() {
  return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

template <class Action>
void timed(Record& record, Action action) {
  const int64_t start = now_ns();
  action();
  record.taken_ns += now_ns() - start;
}

void fallback(const c10::OperatorHandle& op, c10::DispatchKeySet keys, Stack* stack) {
  const auto below = keys & c10::DispatchKeySet(c10::DispatchKeySet::FULL_AFTER, key);
  if (state == State::off) {
    c10::impl::ExcludeDispatchKeyGuard without(key);
    op.redispatchBoxed(below, stack);
    return;
  }
  if (state == State::recording) return record(op, below, stack);
  TORCH_CHECK(!current->calls.empty(), "strayed: the record is empty");
  const size_t place = current->place;
  const Call& call = current->calls[place];
  if (!(call.op == op)) {
    current->place = 0;
    TORCH_CHECK(false, "strayed: ", toString(op.operator_name()), " came where the record has ",
                toString(call.op.operator_name()), ", as operator ", place + 1, " of ", current->calls.size());
  }
  // The step after the last one begins anew.
  current->place = place + 1 == current->calls.size() ? 0 : place + 1;
  if (state == State::watching) {
    note_ends(*current, place);
    execute(op, below, stack);
    return watch(*current, place, *stack);
  }
  if (state == State::answering) return answer(call, stack);
  c10::impl::ExcludeDispatchKeyGuard without(key);
  timed(*current, [&] { op.redispatchBoxed(below, stack); });
}

// As what calls a boxed kernel makes them: lists anew, all else by its count.
void push_boxed(const Call& call, Stack* stack) {
  for (const auto& each : call.given) {
    if (each.isList()) {
      stack->push_back(each.toList().copy());
    } else {
      stack->push_back(each);
    }
  }
}

template <class Each>
int each_call(void* handle, int64_t steps, Each each) {
  return guarded(
      [&] {
        at::AutoDispatchBelowADInplaceOrView below_autograd;
        auto& record = *static_cast<Record*>(handle);
        Stack stack;
        for (int64_t step = 0; step < steps; ++step) {
          for (size_t i = 0; i < record.calls.size(); ++i) each(record, i, &stack);
        }
        return 0;
      },
      1);
}

// kernels: whether they run, or only all that is done beside them. one_by_one: whether each is timed.
template <bool kernels, bool one_by_one>
void make_again(Record& record, size_t number, Stack* stack) {
  if (kernels) {
    for (const size_t which : record.ends[number]) {
      auto& slot = record.slots[which];
      // Given back in the step after, when that has made its own already: it is the one before which goes.
      const bool made_anew = slot.end > static_cast<int64_t>(record.calls.size() + slot.maker);
      (made_anew ? slot.before : slot.memory) = {};
    }
  }
  const Call& call = record.calls[number];
  for (const auto& each : call.made) {
    const auto& memory = record.slots[each.slot].memory;
    TORCH_CHECK(!kernels || memory, toString(call.op.operator_name()), " reads what the step has given back");
    each.tensor->set_storage_keep_dtype(kernels ? memory : nowhere);
  }
  push_boxed(call, stack);
  if (kernels) {
    const auto run = [&] { call.op.redispatchBoxed(call.below, stack); };
    one_by_one ? timed(record, run) : run();
    for (size_t i = 0; i < call.makes.size(); ++i) {
      if (call.makes[i] < 0) continue;
      auto& slot = record.slots[call.makes[i]];
      slot.before = std::move(slot.memory);
      slot.memory = (*stack)[i].toTensor().storage();
      // A view of it would else reach beyond its end.
      TORCH_CHECK(slot.memory.nbytes() >= slot.bytes, toString(call.op.operator_name()), " makes less than it did");
    }
  }
  stack->clear();
  for (const auto& each : call.made) each.tensor->set_storage_keep_dtype(nowhere);
}

template <bool kernels, bool one_by_one>
int make_all_again(void* handle, int64_t steps) {
  const int status = each_call(handle, steps, make_again<kernels, one_by_one>);
  for (auto& slot : static_cast<Record*>(handle)->slots) slot.memory = slot.before = {};
  return status;
}

void allocate(const at::Tensor& like) {
  if (!like.defined() || !like.has_storage() || like.layout() != c10::kStrided) return;
  auto* allocator = c10::GetAllocator(like.device().type());
  if (!allocator) return;
  at::detail::empty_strided_generic(like.sizes(), like.strides(), allocator, c10::DispatchKeySet(like.key_set()),
                                    like.scalar_type());
}

}  // namespace

extern "C" {

const char* empty_error() { return last_error.c_str(); }

// Register the fallback, once; 1 where this torch has no such key, or has a fallback for it already.
int empty_prepare() {
  return guarded(
      [] {
        if (registered) return 0;
        key = c10::parseDispatchKey("Fake");
        auto library =
            std::make_unique<torch::Library>(torch::Library::IMPL, "_", std::make_optional(key), __FILE__, __LINE__);
        library->fallback(torch::CppFunction::makeFromBoxedFunction<&fallback>());
        registered = std::move(library);
        return 0;
      },
      1);
}

void* empty_new() { return new Record; }
void empty_free(void* handle) { delete static_cast<Record*>(handle); }

// What this thread calls from here on is recorded (how=0), or executed as the record's first call and those after it, and
// how long its memory lives is noted (1), or answered from them (2), or executed with a clock around each (3),
// until empty_off().
int empty_on(void* handle, int how) {
  return guarded(
      [&] {
        TORCH_CHECK(registered && state == State::off, "another record is in use");
        current = static_cast<Record*>(handle);
        current->place = 0;
        current->ends.resize(current->calls.size());
        state = static_cast<State>(1 + how);
        for (const auto& each : current->beside) {
          going_by.push_back(c10::Dispatcher::singleton().registerImpl(
              each.second.operator_name(), key, c10::KernelFunction::makeFallthrough(), std::nullopt, nullptr, __FILE__));
        }
        c10::impl::tls_set_dispatch_key_included(key, true);
        return 0;
      },
      1);
}

void empty_off() {
  going_by.clear();
  c10::impl::tls_set_dispatch_key_included(key, false);
  state = State::off;
  current = nullptr;
}

// The next call of the record that is in use is its first one.
void empty_begin() {
  if (current) current->place = 0;
}

// How many calls of the step the next one comes after.
int64_t empty_place(void* handle) { return static_cast<int64_t>(static_cast<Record*>(handle)->place); }

// How many operators there are: of which=0 those that are answered, 1 views, 2 composites.
int64_t empty_count(void* handle, int which) {
  const auto& record = *static_cast<Record*>(handle);
  return static_cast<int64_t>(which == 0 ? record.calls.size() : which == 1 ? record.views : record.composites);
}

// Nanoseconds within kernels since this was asked last.
int64_t empty_taken(void* handle) { return std::exchange(static_cast<Record*>(handle)->taken_ns, 0); }

// Before which call the memory that was the n-th one made is given back: in the step after, counted on; -1 if in neither,
// -2 if there is no such memory.
int64_t empty_end(void* handle, int64_t number) {
  const auto& slots = static_cast<Record*>(handle)->slots;
  return static_cast<size_t>(number) < slots.size() ? slots[number].end : -2;
}

// The kernels of all that is answered, each called on what it was given, so many times in turn; what they make lives for
// as long as the step has it. 0, or 1 on error.
int empty_kernels(void* handle, int64_t steps) { return make_all_again<true, false>(handle, steps); }

// The same, each kernel timed for empty_taken().
int empty_timed(void* handle, int64_t steps) { return make_all_again<true, true>(handle, steps); }

// Nothing but what empty_kernels() does beside them.
int empty_arguments(void* handle, int64_t steps) { return make_all_again<false, false>(handle, steps); }

// What answering costs beyond what an operator without a kernel would: boxes, and tensors made of the record.
int empty_answers(void* handle, int64_t steps) {
  return each_call(handle, steps, [](const Record& record, size_t number, Stack* stack) {
    const Call& call = record.calls[number];
    push_boxed(call, stack);
    answer(call, stack);
    stack->clear();
  });
}

// The memory of all that kernels answer, each taken and given back at once.
int empty_allocations(void* handle, int64_t steps) {
  return each_call(handle, steps, [](const Record& record, size_t number, Stack*) {
    const Call& call = record.calls[number];
    for (const auto& each : call.outputs) {
      if (each.isTensor()) allocate(each.toTensor());
      if (each.isTensorList()) {
        for (const at::Tensor& one : each.toTensorVector()) allocate(one);
      }
    }
  });
}

}  // extern "C"
