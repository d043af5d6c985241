#include <weft/process.h>

#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft/error.h>
#include <weft/timeout.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "io/cancellable.h"
#include "io/io_error.h"
#include "io/process_spawn.h"
#include "io/process_state.h"
#include "io/reaper.h"
#include "io/signal_name.h"
#include "reactor/reactor.h"
#include "sched/wait.h"
#include "time/clock.h"

namespace weft {

namespace detail {

// Those that look at errno are not inlined: compilers keep its address across calls, and after a
// suspension it would be another thread's.

namespace {

[[gnu::noinline]] int status_of(const ChildProcess& child, int options,
                                std::optional<ExitStatus>& status) noexcept {
  siginfo_t info{};
  const bool by_descriptor = child.descriptor.is_open();
  const auto id = static_cast<id_t>(by_descriptor ? child.descriptor.fd() : child.pid);
  while (::waitid(by_descriptor ? P_PIDFD : P_PID, id, &info, WEXITED | WNOHANG | options) != 0) {
    if (errno != EINTR) return errno;
  }
  if (info.si_pid == 0) return EAGAIN;
  status = info.si_code == CLD_EXITED
               ? ExitStatus::of_code(info.si_status)
               : ExitStatus::of_signal(info.si_status, info.si_code == CLD_DUMPED);
  return 0;
}

}  // namespace

int take_status(const ChildProcess& child, std::optional<ExitStatus>& status) noexcept {
  return status_of(child, 0, status);
}

int look_at_status(const ChildProcess& child, std::optional<ExitStatus>& status) noexcept {
  return status_of(child, WNOWAIT, status);
}

StatusKeeper::StatusKeeper(ProcessState& state) noexcept : state_(state) {
  const std::lock_guard lock(state_.mutex);
  ++state_.keepers;
}

StatusKeeper::~StatusKeeper() {
  const std::lock_guard lock(state_.mutex);
  if (--state_.keepers > 0 || !state_.is_zombie) return;
  std::optional<ExitStatus> known;
  take_status(state_.child, known);  // refused only if somebody else has taken it
  state_.is_zombie = false;
}

[[gnu::noinline]] int send_signal(const ChildProcess& child, int signal) noexcept {
  const long result =
      child.descriptor.is_open()
          ? ::syscall(SYS_pidfd_send_signal, child.descriptor.fd(), signal, nullptr, 0)
          : ::kill(child.pid, signal);
  return result == 0 ? 0 : errno;
}

namespace {

constexpr Nanos kShortestLook = 1'000'000;
constexpr Nanos kLongestLook = 50'000'000;

[[gnu::noinline]] int send_to_group(const ChildProcess& child, int signal) noexcept {
  return ::kill(-child.pid, signal) == 0 ? 0 : errno;
}

[[noreturn]] void throw_process_error(int error, const std::string& operation,
                                      const ProcessState& state) {
  std::string what =
      operation + " '" + state.program + "' (process " + std::to_string(state.child.pid) + ")";
  if (error == ECHILD) {
    what += ": something else in the program has taken its status, or SIGCHLD is ignored";
  }
  throw std::system_error(error, std::system_category(), what);
}

// Under the mutex. Whether the process is known to have ended.
bool has_ended(ProcessState& state) {
  if (state.status.has_value() || state.lost) return true;
  const bool keep = state.keepers > 0;
  const int error =
      keep ? look_at_status(state.child, state.status) : take_status(state.child, state.status);
  if (error == 0) state.is_zombie = keep;
  if (error == ECHILD) state.lost = true;
  if (error != 0 && error != ECHILD && error != EAGAIN) {
    throw_process_error(error, "wait for", state);
  }
  return error != EAGAIN;
}

// A pause between two looks at a process that has no descriptor.
void pause(Nanos span) {
  current_token(WaitsFor::kSleep);
  if (suspend_until(now() + span, nullptr, nullptr) == Wake::kCancelled) throw Cancelled();
}

std::string sending(int signal) { return "send " + signal_name(signal) + " to"; }

}  // namespace
}  // namespace detail

using detail::ProcessState;

std::string ExitStatus::to_string() const {
  if (!by_signal_) return "exited with code " + std::to_string(value_);
  return "killed by " + detail::signal_name(value_) + (dumped_ ? " (core dumped)" : "");
}

Process::Process() noexcept = default;
Process::Process(std::unique_ptr<ProcessState> state) noexcept : state_(std::move(state)) {}
Process::Process(Process&& other) noexcept = default;

Process Process::spawn(const std::vector<std::string>& argv, const ProcessOptions& options) {
  return Process(detail::spawn_process(argv, options));
}

Process& Process::operator=(Process&& other) noexcept {
  if (this != &other) {
    const Process before(std::move(state_));
    state_ = std::move(other.state_);
  }
  return *this;
}

Process::~Process() {
  if (state_ == nullptr || state_->status.has_value() || state_->lost) return;
  if (detail::take_status(state_->child, state_->status) != EAGAIN) return;
  // It may end meanwhile, and whatever else refuses this has nobody to be told.
  detail::send_signal(state_->child, SIGKILL);
  if (state_->leads_group) detail::send_to_group(state_->child, SIGKILL);
  detail::reap_in_background(std::move(state_->child));
}

void Process::detach() {
  state("detach");
  const std::unique_ptr<ProcessState> left = std::move(state_);
  if (!left->status.has_value() && !left->lost) {
    detail::reap_in_background(std::move(left->child));
  }
}

int Process::pid() const noexcept { return state_ != nullptr ? state_->child.pid : -1; }

PipeWriter& Process::in() { return state("write to").in; }
PipeReader& Process::out() { return state("read from").out; }
PipeReader& Process::err() { return state("read from").err; }

ExitStatus Process::wait() {
  ProcessState& self = state("wait for");
  detail::Reactor& reactor = detail::need_reactor("wait for a process");
  if (detail::spend_budget()) throw Cancelled{};
  for (detail::Nanos look = detail::kShortestLook;;) {
    if (const auto status = try_wait()) return *status;
    int error = ENOSYS;
    if (self.child.descriptor.is_open()) {
      error = reactor.wait_ready(self.child.descriptor, detail::Direction::kRead).error;
    }
    if (error == 0) continue;
    detail::pause(look);
    look = std::min(2 * look, detail::kLongestLook);
  }
}

std::optional<ExitStatus> Process::try_wait() {
  ProcessState& self = state("wait for");
  const std::lock_guard lock(self.mutex);
  if (!detail::has_ended(self)) return std::nullopt;
  if (self.lost) detail::throw_process_error(ECHILD, "wait for", self);
  return self.status;
}

bool Process::kill(int signal) {
  ProcessState& self = state("send a signal to");
  const std::lock_guard lock(self.mutex);
  if (detail::has_ended(self)) return false;
  const int error = detail::send_signal(self.child, signal);
  if (error == ESRCH) return false;
  if (error != 0) detail::throw_process_error(error, detail::sending(signal), self);
  return true;
}

bool Process::kill() { return kill(SIGKILL); }
bool Process::terminate() { return kill(SIGTERM); }

// The group has the number of the process, and nobody is given that before the status is taken.
bool Process::kill_group(int signal) {
  ProcessState& self = state("send a signal to the group of");
  if (!self.leads_group) {
    throw std::logic_error("weft::Process::kill_group: '" + self.program +
                           "' was started without a group of its own (ProcessOptions::new_group)");
  }
  const std::lock_guard lock(self.mutex);
  if ((self.status.has_value() && !self.is_zombie) || self.lost) return false;
  const int error = detail::send_to_group(self.child, signal);
  if (error == ESRCH) return false;
  if (error != 0)
    detail::throw_process_error(error, detail::sending(signal) + " the group of", self);
  return true;
}

ExitStatus Process::stop(std::chrono::nanoseconds grace) {
  ProcessState& self = state("stop");
  if (!self.leads_group) {
    terminate();
    if (const auto status = wait_for(grace)) return *status;
    kill();
    return wait();
  }
  const detail::StatusKeeper keeper(self);
  kill_group(SIGTERM);
  const auto status = wait_for(grace);
  kill_group(SIGKILL);  // what is left, also when the process itself is not
  return status.has_value() ? *status : wait();
}

std::optional<ExitStatus> Process::wait_for(std::chrono::nanoseconds span) {
  if (detail::may_be_cancelled()) {
    try {
      return timeout(span, [&] { return wait(); });
    } catch (const TimeoutError&) {
      return try_wait();
    }
  }
  detail::need_reactor("wait for a process");
  const detail::Nanos end = detail::saturating_add(detail::now(), span.count());
  for (detail::Nanos look = detail::kShortestLook; detail::now() < end;) {
    if (const auto status = try_wait()) return status;
    detail::pause(std::min(look, end - detail::now()));
    look = std::min(2 * look, detail::kLongestLook);
  }
  return try_wait();
}

ProcessState& Process::state(const char* operation) const {
  if (state_ == nullptr) detail::throw_io_error(ESRCH, operation, "a process (none)");
  return *state_;
}

}  // namespace weft
