#include <algorithm>
#include <memory>
#include <stdexcept>
#include <string>

#include "sched/wait.h"
#include "task/context_map.h"
#include "task/task_state.h"

namespace weft::detail {

// ---- Maps.

ContextMap::Entries::iterator ContextMap::place_of(std::uint64_t key) noexcept {
  return std::lower_bound(entries_.begin(), entries_.end(), key,
                          [](const Entry& entry, std::uint64_t k) { return entry.key < k; });
}

const void* ContextMap::find(std::uint64_t key) const noexcept {
  const auto place = const_cast<ContextMap*>(this)->place_of(key);
  return place != entries_.end() && place->key == key ? place->value.get() : nullptr;
}

ContextValue ContextMap::set(ContextMap*& slot, std::uint64_t key, ContextValue value) {
  if (slot == nullptr) {
    slot = new ContextMap;
  } else if (slot->is_shared()) {
    auto* const copy = new ContextMap(*slot);
    slot->release();
    slot = copy;
  }
  Entries& entries = slot->entries_;
  auto place = slot->place_of(key);
  const bool known = place != entries.end() && place->key == key;
  if (value == nullptr) {
    if (!known) return nullptr;
    value = std::move(place->value);
    entries.erase(place);
    return value;
  }
  if (!known) place = entries.insert(place, {key, nullptr});
  std::swap(place->value, value);
  return value;
}

// ---- Handles, and the slot of who calls.

namespace {

// Of a thread that runs no fiber.
struct ThreadContext {
  ~ThreadContext() {
    if (map != nullptr) map->release();
    map = nullptr;
  }
  ContextMap* map = nullptr;
  std::uint64_t owner = 0;
};

// Threads are told from tasks, whose ids are counted from 1, by this.
constexpr std::uint64_t kThread = std::uint64_t{1} << 63;

Atomic<std::uint64_t> g_keys{0};
Atomic<std::uint64_t> g_threads{0};

ThreadContext& thread_context() noexcept {
  thread_local ThreadContext context;
  return context;
}

}  // namespace

ContextMap* current_context() noexcept {
  Fiber* const self = current_fiber();
  return self != nullptr ? state_of(*self).context : thread_context().map;
}

ContextRef::ContextRef(const ContextRef& other) noexcept : map_(other.map_) {
  if (map_ != nullptr) map_->retain();
}
void ContextRef::release() noexcept { map_->release(); }
ContextRef ContextRef::current() noexcept { return ContextMap::make_ref(current_context()); }

ContextScope::ContextScope(ContextRef context) noexcept {
  ContextMap*& slot = thread_context().map;
  ContextMap* const before = std::exchange(slot, ContextMap::take(context));
  before_ = ContextMap::make_ref(before);
  if (before != nullptr) before->release();
}

ContextScope::~ContextScope() {
  ContextMap* const used = std::exchange(thread_context().map, ContextMap::take(before_));
  if (used != nullptr) used->release();
}

std::uint64_t new_context_key() noexcept { return g_keys.fetch_add(1, std::memory_order_relaxed); }

const void* context_value(std::uint64_t key) noexcept {
  const ContextMap* const map = current_context();
  return map != nullptr ? map->find(key) : nullptr;
}

ContextValue set_context_value(std::uint64_t key, ContextValue value) {
  Fiber* const self = current_fiber();
  if (self == nullptr) return ContextMap::set(thread_context().map, key, std::move(value));
  TaskState& state = state_of(*self);
  state.upkeep |= Upkeep::kContext;
  return ContextMap::set(state.context, key, std::move(value));
}

std::uint64_t context_owner() noexcept {
  if (const Fiber* const self = current_fiber()) return self->id.load(std::memory_order_relaxed);
  ThreadContext& context = thread_context();
  if (context.owner == 0) context.owner = kThread | g_threads.fetch_add(1);
  return context.owner;
}

// ---- What goes wrong.

namespace {
std::string about(const char* variable) {
  return std::string("weft::ContextVar: '") + variable + "'";
}
}  // namespace

void no_context_value(const char* variable) {
  throw std::out_of_range(about(variable) + " has no value in this task, and no default");
}
void token_was_used(const char* variable) {
  throw std::logic_error(about(variable) + " has been reset by this token before");
}
void token_of_another(const char* variable, const char* other_what) {
  throw std::invalid_argument(about(variable) + " was reset by a token of another " + other_what);
}

}  // namespace weft::detail
