#include <weft/task_group.h>

#include <memory>
#include <mutex>
#include <stdexcept>
#include <utility>
#include <vector>

#include "task/task_state.h"

// One owner, any number of children, which come and go on all workers.
//
// A child is counted from before it starts until its end has been told, and is in one list:
// running, then stopping once it was asked to stop, then ended or failed. The group holds a handle
// to it until it is taken off the last of these.
//
// Invariants, where nobody has the group's lock
//  1. Nobody enters `running` once `aborting` is set, so who empties it has asked all.
//  2. The owner leaves only when `count` is zero; a child's last look at the group is in told(),
//     under the child's lock, which forget() takes before it frees the child's place.
//  3. A child asks the owner to stop before its own end is told. So when all have ended, the
//     request is there to be taken back.

namespace weft {

using detail::Fiber;
using detail::GroupChild;
using detail::List;
using detail::ListNode;
using detail::Spinlock;
using detail::TaskRef;
using detail::Wake;
using detail::WakeToken;

namespace detail {

struct GroupTag;

struct GroupChild : CompletionHook, ListNode<GroupTag> {
  explicit GroupChild(TaskGroup::Inside& owner) noexcept;
  static WakeToken told(CompletionHook& hook, TaskOutcome outcome) noexcept;

  TaskGroup::Inside& group;
  TaskRef task;  // set before it runs
};

using Children = List<GroupChild, GroupTag>;

}  // namespace detail

struct TaskGroup::Inside {
  explicit Inside(Fiber& fiber) noexcept : owner(fiber) {}

  Spinlock lock;
  // All under lock.
  std::size_t count = 0;
  detail::Children running;   // can be asked to stop
  detail::Children stopping;  // have been
  detail::Children ended;     // to be freed
  detail::Children failed;    // in the order in which they did
  bool aborting = false;
  bool closing = false;
  bool asked_owner = false;  // to stop, on behalf of a child that failed
  WakeToken waiter;          // the owner, while it sleeps or is about to

  /// True once, unless the owner waits already.
  bool may_ask_owner() noexcept { return !closing && !std::exchange(asked_owner, true); }

  Fiber& owner;
};

namespace {

// Afterwards no child is in the middle of being told. Frees the places, and perhaps the tasks.
void forget(detail::Children& children) noexcept {
  while (GroupChild* const child = children.pop_front()) {
    const std::unique_ptr<GroupChild> owned(child);
    detail::state_of(owned->task.fiber()).end.remove(*owned);
  }
}

void move_all(detail::Children& from, detail::Children& to) noexcept {
  while (GroupChild* const child = from.pop_front()) to.push_back(*child);
}

Fiber& owner_of_group() {
  Fiber* const fiber = detail::current_fiber();
  if (fiber == nullptr) throw std::logic_error("weft::task_group: called outside a fiber");
  return *fiber;
}

}  // namespace

detail::GroupChild::GroupChild(TaskGroup::Inside& owner) noexcept
    : CompletionHook(&GroupChild::told), group(owner) {}

WakeToken detail::GroupChild::told(CompletionHook& hook, TaskOutcome outcome) noexcept {
  auto& child = static_cast<GroupChild&>(hook);
  TaskGroup::Inside& group = child.group;
  const std::lock_guard guard(group.lock);
  static_cast<ListNode<GroupTag>&>(child).unlink();
  (outcome == TaskOutcome::kFailed ? group.failed : group.ended).push_back(child);
  --group.count;
  // Without a stack it could not say so itself, see stop_others(). The owner stops the others.
  const bool unannounced = outcome == TaskOutcome::kFailed && !group.aborting;
  if (unannounced && group.may_ask_owner()) request_cancel(group.owner);
  return group.count == 0 || unannounced ? std::exchange(group.waiter, WakeToken()) : WakeToken();
}

TaskGroup::TaskGroup() {
  static_assert(sizeof(Inside) <= sizeof(inside_) && alignof(Inside) <= 8);
  ::new (static_cast<void*>(inside_)) Inside(owner_of_group());
}

TaskGroup::~TaskGroup() {
  Inside& self = inside();
  forget(self.ended);
  forget(self.failed);
  self.~Inside();
}

TaskGroup::Inside& TaskGroup::inside() noexcept {
  return *std::launder(reinterpret_cast<Inside*>(inside_));
}

// ---- Children.

TaskGroup::Place::Place(TaskGroup& group)
    : group_(group.inside()), child_(std::make_unique<GroupChild>(group_)) {
  detail::Children ended;
  {
    const std::lock_guard guard(group_.lock);
    if (group_.closing && group_.count == 0) {
      throw std::logic_error("weft::TaskGroup: spawn in a group that has ended");
    }
    if (group_.aborting) {
      throw std::logic_error("weft::TaskGroup: spawn in a group that is shutting down");
    }
    ++group_.count;
    move_all(group_.ended, ended);
  }
  forget(ended);
}

TaskGroup::Place::~Place() {
  if (child_ == nullptr) return;  // it has started
  WakeToken waiter;
  {
    const std::lock_guard guard(group_.lock);
    if (--group_.count == 0) waiter = std::exchange(group_.waiter, WakeToken());
  }
  if (waiter.fiber != nullptr) detail::wake(waiter);
}

TaskRef TaskGroup::Place::start(detail::NewTask& task, detail::Body& body,
                                std::uint8_t upkeep) noexcept {
  GroupChild& child = *child_.release();  // from here on it belongs to the lists
  detail::TaskState& state = detail::state_of(task.fiber());
  state.error_read.store(true, std::memory_order_relaxed);
  state.end.add_first(child);
  child.task = task.another_handle();
  bool late = false;
  {
    const std::lock_guard guard(group_.lock);
    late = group_.aborting;
    (late ? group_.stopping : group_.running).push_back(child);
  }
  if (late) detail::request_cancel(task.fiber());  // it will not run
  return task.start(body, upkeep);
}

// ---- Stopping.

void TaskGroup::stop_others() noexcept {
  Inside& self = inside();
  bool asks_owner = false;
  {
    const std::lock_guard guard(self.lock);
    asks_owner = !self.aborting && self.may_ask_owner();
  }
  abort();
  if (asks_owner) detail::request_cancel(self.owner);
}

// Asks all children to stop, but for the one that calls. True for the first who does.
bool TaskGroup::abort() noexcept {
  Inside& self = inside();
  for (bool first = false;;) {
    TaskRef task;
    {
      const std::lock_guard guard(self.lock);
      first |= !std::exchange(self.aborting, true);
      GroupChild* const child = self.running.pop_front();
      if (child == nullptr) return first;
      self.stopping.push_back(*child);
      task = child->task;
    }
    if (&task.fiber() != detail::current_fiber()) task.cancel();
  }
}

// ---- The end.

// True if the owner was cancelled meanwhile, and not on behalf of a child.
bool TaskGroup::wait_for_all(bool was_told) {
  Inside& self = inside();
  bool cancelled = false;
  bool suspended = false;
  self.lock.lock();
  self.closing = true;
  while (self.count > 0) {
    if (!self.failed.empty() && !self.aborting) {
      self.lock.unlock();
      abort();
    } else {
      self.waiter = detail::current_token(detail::WaitsFor::kTasks);
      const Wake reason = detail::suspend(
          [](void* lock) noexcept { static_cast<Spinlock*>(lock)->unlock(); }, &self.lock);
      suspended = true;
      if (reason == Wake::kCancelled) {
        if (std::exchange(was_told, true)) detail::merge_cancellation(self.owner);
        // Where children stop already, whoever asked them has asked the owner, too.
        cancelled |= abort();
      }
    }
    self.lock.lock();
  }
  const bool stops = self.aborting;
  self.lock.unlock();
  // Who asked when the last child had ended, but before this ran again.
  if (suspended && !stops && detail::take_cancellation()) cancelled |= abort();
  return cancelled;
}

void TaskGroup::close(std::exception_ptr error) {
  Inside& self = inside();
  const bool body_was_cancelled = error != nullptr && detail::is_a<Cancelled>(error);
  if (error != nullptr) abort();
  bool cancelled = wait_for_all(body_was_cancelled);
  cancelled |= body_was_cancelled;
  // A request of the group's own is taken back; where it was the only one, nobody else hears of it.
  if (self.asked_owner && self.owner.word.uncancel() == 0) cancelled = false;

  std::vector<std::exception_ptr> errors;
  while (GroupChild* const child = self.failed.pop_front()) {
    self.ended.push_back(*child);
    errors.push_back(detail::state_of(child->task.fiber()).error);
  }
  if (error != nullptr && !body_was_cancelled) errors.push_back(std::move(error));
  if (errors.empty() && !cancelled) return;
  if (errors.empty()) throw Cancelled();
  // The group says more than Cancelled would. Who asked from outside is heard at the next wait.
  self.owner.word.have_told_again();
  throw ExceptionGroup("unhandled errors in a TaskGroup", std::move(errors));
}

}  // namespace weft
