#include "task/all_tasks.h"

#include <algorithm>
#include <stdexcept>

#include "fiber/fiber_pool.h"
#include "fiber/identity.h"
#include "sched/scheduler.h"

namespace weft::detail {

std::vector<TaskInfo> tasks_of(const Scheduler& scheduler) {
  std::vector<TaskInfo> tasks;
  FiberPool::instance().for_each([&](Fiber& fiber) {
    if (fiber.scheduler.load(std::memory_order_acquire) != &scheduler) return;
    tasks.emplace_back(fiber, fiber.id.load(std::memory_order_relaxed));
  });
  std::erase_if(tasks, [](const TaskInfo& task) { return task.done(); });
  std::sort(tasks.begin(), tasks.end(),
            [](const TaskInfo& a, const TaskInfo& b) { return a.id() < b.id(); });
  return tasks;
}

}  // namespace weft::detail

namespace weft {

TaskInfo::TaskInfo(detail::Fiber& fiber, std::uint64_t id)
    : fiber_(&fiber), id_(id), name_(detail::name_of(fiber, id)), site_(detail::site_of(fiber)) {}

// The descriptor stays; the task in it is told by its id. Whoever has learnt of its end sees that
// it has ended here, too, for that was written before.
bool TaskInfo::done() const noexcept {
  return fiber_->scheduler.load(std::memory_order_acquire) == nullptr ||
         fiber_->life.load(std::memory_order_relaxed) != detail::Life::kInUse ||
         fiber_->id.load(std::memory_order_relaxed) != id_;
}

bool TaskInfo::cancel() const noexcept {
  for (;;) {
    // The epoch first: if the descriptor changes hands meanwhile, the word has moved on and the
    // swap fails.
    const detail::Epoch epoch = fiber_->word.current_epoch();
    if (done()) return false;
    if (detail::cancel(*fiber_, epoch)) return true;
  }
}

std::vector<TaskInfo> all_tasks() {
  const detail::Scheduler* const scheduler = detail::Scheduler::current();
  if (scheduler == nullptr) throw std::logic_error("weft::all_tasks: called outside a fiber");
  return detail::tasks_of(*scheduler);
}

}  // namespace weft
