#pragma once

#include <weft/detail/task_core.h>

#include <cstddef>
#include <memory>
#include <utility>

namespace weft {

namespace detail {

/// The place of a callback among those who are told of a task's end.
class CallbackPlace {
 public:
  explicit CallbackPlace(const TaskRef& of) noexcept;
  ~CallbackPlace();
  CallbackPlace(const CallbackPlace&) = delete;
  CallbackPlace& operator=(const CallbackPlace&) = delete;

  /// Has the callback's task started when the other has ended.
  void await_end(NewTask& task, Body& body, std::uint8_t upkeep) noexcept;
  /// True if it will not be called any more because of this.
  bool withdraw() noexcept;
  bool withdrawn() const noexcept { return withdrawn_; }

 private:
  struct Hook;
  Hook& hook() noexcept;

  const TaskRef task_;
  bool withdrawn_ = false;         // written before the callback's task is woken
  alignas(8) std::byte hook_[40];  // NOLINT(*-member-init): made by the constructor
};

}  // namespace detail

/// A callback that was added to a task: see Task::add_done_callback(). May be dropped, and the
/// callback stays.
class DoneCallback {
 public:
  DoneCallback() = default;

  /// False if it has been called, or will be in any case, or has been removed before. Only by one
  /// thread at a time. Never suspends.
  bool remove() noexcept { return place_ != nullptr && place_->withdraw(); }

  /// For Task.
  explicit DoneCallback(std::shared_ptr<detail::CallbackPlace> place) noexcept
      : place_(std::move(place)) {}

 private:
  std::shared_ptr<detail::CallbackPlace> place_;
};

}  // namespace weft
