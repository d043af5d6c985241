#pragma once

#include <weft/detail/task_core.h>

#include <cstdint>
#include <string>
#include <vector>

namespace weft {

/// A task that had not ended when somebody looked. It keeps nothing alive: what it tells may be
/// old. May be used by any thread, and outlive the runtime.
class TaskInfo {
 public:
  std::uint64_t id() const noexcept { return id_; }
  const std::string& name() const noexcept { return name_; }
  const SpawnSite& site() const noexcept { return site_; }

  /// Whether it has ended since.
  bool done() const noexcept;
  /// See Task::cancel().
  bool cancel() const noexcept;

  bool operator==(const TaskInfo& other) const noexcept { return id_ == other.id_; }

  /// For the library itself.
  TaskInfo(detail::Fiber& fiber, std::uint64_t id);

 private:
  detail::Fiber* fiber_;
  std::uint64_t id_;
  std::string name_;
  SpawnSite site_;
};

/// The tasks of the calling fiber's runtime that have not ended, the caller's own among them
/// (asyncio.all_tasks), in the order of their ids. With other workers at work some may have ended,
/// and others have been spawned, by the time that it returns. Throws std::logic_error outside a
/// fiber. Never suspends.
std::vector<TaskInfo> all_tasks();

}  // namespace weft
