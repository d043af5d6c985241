#pragma once

#include <sys/types.h>
#include <weft/process.h>

#include <mutex>
#include <optional>
#include <string>

#include "reactor/fd_table.h"

namespace weft::detail {

/// A child of this program, by its number and, where there can be one, by a descriptor of it
/// (pidfd_open(2)), which never means another process. The number, too, is safe until the status
/// has been taken; and since that is done under the mutex, so is a signal that is sent under it.
struct ChildProcess {
  pid_t pid = -1;
  Descriptor descriptor;  // not open where the system refuses one
};

/// Takes the status if the child has ended. 0, or an errno: EAGAIN while it runs, ECHILD when
/// somebody else has taken it.
int take_status(const ChildProcess& child, std::optional<ExitStatus>& status) noexcept;
/// The same, and leaves the status to be taken: the child stays a zombie, and nobody else is given
/// its number.
int look_at_status(const ChildProcess& child, std::optional<ExitStatus>& status) noexcept;
/// 0 or an errno; by the number only if it is known to be the child's still.
int send_signal(const ChildProcess& child, int signal) noexcept;

struct ProcessState {
  std::string program;  // for people
  bool leads_group = false;
  PipeWriter in;
  PipeReader out, err;

  ChildProcess child;  // constant once it runs
  std::mutex mutex;    // guards all below, and the child's number while it is used
  std::optional<ExitStatus> status;
  bool lost = false;       // the status, to somebody else
  unsigned keepers = 0;    // see StatusKeeper
  bool is_zombie = false;  // the status is known and, for the keepers, not taken
};

/// While there is one, the status is looked at, and not taken. So the number stays that of the
/// process's group, and what is left of the group can be sent a signal when the process itself has
/// ended.
class StatusKeeper {
 public:
  explicit StatusKeeper(ProcessState& state) noexcept;
  ~StatusKeeper();
  StatusKeeper(const StatusKeeper&) = delete;
  StatusKeeper& operator=(const StatusKeeper&) = delete;

 private:
  ProcessState& state_;
};

}  // namespace weft::detail
