#pragma once

#include <weft/pipe.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace weft {

namespace detail {
struct ProcessState;
}  // namespace detail

/// How a process ended: by itself, with a code, or by a signal. A plain value.
class ExitStatus {
 public:
  static ExitStatus of_code(int code) noexcept { return ExitStatus(code, false, false); }
  static ExitStatus of_signal(int number, bool dumped) noexcept {
    return ExitStatus(number, true, dumped);
  }

  /// It ended by itself, with code 0.
  bool success() const noexcept { return !by_signal_ && value_ == 0; }
  /// The code it ended with; nothing if a signal ended it.
  std::optional<int> code() const noexcept {
    return by_signal_ ? std::nullopt : std::optional(value_);
  }
  /// The signal that ended it; nothing if it ended by itself.
  std::optional<int> signal() const noexcept {
    return by_signal_ ? std::optional(value_) : std::nullopt;
  }
  bool core_dumped() const noexcept { return dumped_; }
  /// "exited with code 3", "killed by SIGKILL".
  std::string to_string() const;

  bool operator==(const ExitStatus&) const noexcept = default;

 private:
  ExitStatus(int value, bool by_signal, bool dumped) noexcept
      : value_(value), by_signal_(by_signal), dumped_(dumped) {}

  int value_;
  bool by_signal_;
  bool dumped_;
};

/// Where a standard stream of a new process leads.
class Stdio {
 public:
  /// Where this program's leads.
  static constexpr Stdio inherit() noexcept { return Stdio(Kind::kInherit, -1); }
  /// Nowhere: nothing to read, and what is written is gone.
  static constexpr Stdio null() noexcept { return Stdio(Kind::kNull, -1); }
  /// To a pipe, the other end of which is the Process's.
  static constexpr Stdio pipe() noexcept { return Stdio(Kind::kPipe, -1); }
  /// To a descriptor of this program's, which keeps it.
  static constexpr Stdio descriptor(int fd) noexcept { return Stdio(Kind::kDescriptor, fd); }
  /// For standard error: where standard output leads.
  static constexpr Stdio output() noexcept { return Stdio(Kind::kOutput, -1); }

  /// For the library itself.
  enum class Kind : std::uint8_t { kInherit, kNull, kPipe, kDescriptor, kOutput };
  constexpr Kind kind() const noexcept { return kind_; }
  constexpr int fd() const noexcept { return fd_; }

 private:
  constexpr Stdio(Kind kind, int fd) noexcept : kind_(kind), fd_(fd) {}
  Kind kind_;
  int fd_;
};

/// How to start a process.
struct ProcessOptions {
  /// Its working directory; "": this program's.
  std::string directory = {};
  /// Its whole environment; nothing: this program's.
  std::optional<std::map<std::string, std::string>> environment = {};
  Stdio in = Stdio::inherit();
  Stdio out = Stdio::inherit();
  Stdio err = Stdio::inherit();
  /// Makes it the first of a process group of its own: keys of the terminal, Ctrl-C for one, do not
  /// reach it, and kill_group() reaches what it has started.
  bool new_group = false;
  /// The same, and away from this program's terminal: a new session.
  bool new_session = false;
  /// Closes what else this program has open, whether marked to be closed on exec or not.
  bool close_others = true;
};

/// A process that this program has started, and one that it has to wait for: none remains as a
/// zombie, whatever becomes of the handle.
///
/// Move-only. Its members may be called by any number of fibers at once; it is moved or destroyed
/// only while nobody is inside a call on it. What fails is a std::system_error that names the
/// program. weft installs no handler for SIGCHLD and touches nobody else's; but a handler that
/// collects every child, or an ignored SIGCHLD, takes the status away: wait() then throws ECHILD.
class Process {
 public:
  /// None: every call fails with ESRCH. Assign one.
  Process() noexcept;
  /// Starts `argv[0]`, which is looked for in this program's PATH unless it has a slash in it (then
  /// a relative one is seen from `directory`), with these arguments. No shell reads them. The new
  /// process starts with no signal blocked, and with SIGPIPE and SIGXFSZ at their defaults; other
  /// signals that this program ignores it ignores, too, as nohup(1) wants.
  ///
  /// Throws std::system_error that names the program, when there is none (ENOENT) or it may not be
  /// run (EACCES), among others; std::invalid_argument for an empty argv, a NUL byte, or an odd
  /// name in the environment. Never suspends, but takes the thread for as long as the kernel needs
  /// to make the process and load the program, about a millisecond. May be called by any thread.
  static Process spawn(const std::vector<std::string>& argv, const ProcessOptions& options = {});
  Process(Process&& other) noexcept;
  Process& operator=(Process&& other) noexcept;
  /// Kills it (SIGKILL), and its group if it was given one, if it still runs. Does not wait: a
  /// thread of weft's takes its status. See detach() and stop().
  ~Process();

  /// Its number, also when it has ended; -1 if there never was one.
  int pid() const noexcept;

  /// This program's ends of the pipes that were asked for. Others fail with EBADF.
  PipeWriter& in();
  PipeReader& out();
  PipeReader& err();

  /// Waits for the end. Any number of times, and by several fibers. Cancellable: throws Cancelled,
  /// and the process runs on. Throws std::logic_error in a plain thread.
  ExitStatus wait();
  /// The same for so long; nothing if it still runs then.
  std::optional<ExitStatus> wait_for(std::chrono::nanoseconds span);
  /// The status if it has ended. Never suspends; any thread may call it.
  std::optional<ExitStatus> try_wait();

  /// Sends a signal; false if it has ended. Never hits another process that was given the same
  /// number. Never suspends; any thread may call it.
  bool kill(int signal);
  /// The same with SIGKILL, which ends it at once.
  bool kill();
  /// Asks it to end: SIGTERM.
  bool terminate();
  /// Sends a signal to all of its group; false if the process itself has been waited for. Throws
  /// std::logic_error if it was started without a group or session of its own.
  bool kill_group(int signal);
  /// Asks it to end, waits, and kills it after `grace`. With a group of its own, the whole group is
  /// asked, and what is left of it is killed when the process itself has ended, or after `grace`;
  /// if the process has been waited for before, it is too late for that. Cancelled meanwhile, it
  /// throws Cancelled and has not killed.
  ExitStatus stop(std::chrono::nanoseconds grace);

  /// Lets it run on by itself. A thread of weft's takes its status when it ends. The handle is
  /// empty then, and the pipes that were not moved out of it are closed.
  void detach();

  /// For the library itself. Throws ESRCH if there is none.
  detail::ProcessState& state(const char* operation) const;

 private:
  explicit Process(std::unique_ptr<detail::ProcessState> state) noexcept;

  std::unique_ptr<detail::ProcessState> state_;
};

}  // namespace weft
