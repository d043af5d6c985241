// A process from its start to its end: one fiber for each of its streams, while the caller waits
// for the process.

#include <weft/run_process.h>

#include <signal.h>
#include <weft/error.h>
#include <weft/sleep.h>
#include <weft/task.h>
#include <weft/task_group.h>
#include <weft/wait.h>

#include <algorithm>
#include <exception>
#include <mutex>
#include <span>
#include <system_error>
#include <utility>

#include "base/spinlock.h"
#include "time/clock.h"

namespace weft {

namespace {

using std::chrono::nanoseconds;

constexpr std::size_t kPiece = std::size_t{64} << 10;
// For output that is on its way when the time is over; only who holds the pipe and is silent makes
// it last so long.
constexpr nanoseconds kLastWords = std::chrono::milliseconds(100);

class Conversation {
 public:
  Conversation(const std::vector<std::string>& argv, const RunProcessOptions& options)
      : options_(options),
        program_(argv.empty() ? std::string() : argv[0]),
        process_(
            Process::spawn(argv, {.directory = options.directory,
                                  .environment = options.environment,
                                  .in = options.input.empty() ? Stdio::null() : Stdio::pipe(),
                                  .out = Stdio::pipe(),
                                  .err = options.merge_errors ? Stdio::output() : Stdio::pipe(),
                                  .new_group = options.new_group})) {}
  // Left by an exception, it takes the process along. A wait meanwhile cannot be cancelled.
  ~Conversation() {
    if (ended_) return;
    try {
      kill();
      process_.wait();
    } catch (...) {
      // Somebody else has taken the status, or it cannot be told: it has been killed, at least, and
      // the handle sees to the rest.
    }
  }
  Conversation(const Conversation&) = delete;
  Conversation& operator=(const Conversation&) = delete;

  ProcessResult run() {
    task_group([&](TaskGroup& group) {
      if (!options_.input.empty()) talk(group, [this] { feed(); });
      talk(group, [this] { collect(process_.out(), result_.out, "output"); });
      if (!options_.merge_errors) {
        talk(group, [this] { collect(process_.err(), result_.err, "errors"); });
      }
      await_end();
      await_talks();
    });
    if (failure_) std::rethrow_exception(failure_);
    return std::move(result_);
  }

 private:
  template <class F>
  void talk(TaskGroup& group, F&& body) {
    talks_.push_back(group.spawn(std::forward<F>(body)));
  }

  // The two below end by themselves, whatever happens; the caller throws what they note.

  void feed() {
    try {
      process_.in().write_all(std::string_view(options_.input));
    } catch (const std::system_error& error) {
      // It need not read all there is.
      if (error.code() != std::errc::broken_pipe) fail(std::current_exception());
    }
    process_.in().close();
  }

  void collect(PipeReader& from, std::string& into, const char* what) {
    try {
      for (;;) {
        const std::size_t before = into.size();
        into.resize(before + kPiece);
        std::size_t count = 0;
        try {
          count = from.read_some(std::as_writable_bytes(std::span(into).subspan(before)));
        } catch (...) {
          into.resize(before);
          throw;
        }
        into.resize(before + count);
        if (count == 0) return;
        if (into.size() > options_.limit) {
          throw LimitExceeded("run_process '" + program_ + "': more than " +
                              std::to_string(options_.limit) + " bytes of " + what);
        }
      }
    } catch (const std::exception&) {
      fail(std::current_exception());
    }
    from.close();
  }

  void fail(std::exception_ptr failure) {
    {
      const std::lock_guard lock(lock_);
      if (!failure_) failure_ = std::move(failure);
    }
    kill();
  }

  void kill() {
    if (options_.new_group) {
      process_.kill_group(SIGKILL);
    } else {
      process_.kill();
    }
  }

  void await_end() {
    if (!options_.timeout.has_value()) {
      result_.status = process_.wait();
    } else if (const auto status = process_.wait_for(*options_.timeout)) {
      result_.status = *status;
    } else {
      result_.timed_out = true;
      result_.status = process_.stop(options_.grace);
    }
    ended_ = true;
  }

  void await_talks() {
    if (!options_.timeout.has_value()) return;  // the group waits
    const nanoseconds left = result_.timed_out
                                 ? kLastWords
                                 : std::max(deadline_ - nanoseconds(detail::now()), kLastWords);
    const auto [done, pending] = wait(talks_, all_completed, left);
    if (pending.empty()) return;
    result_.timed_out = true;
    for (const Task<void>& task : pending) task.cancel();
  }

  const RunProcessOptions& options_;
  const std::string program_;
  Process process_;
  const nanoseconds deadline_{
      detail::saturating_add(detail::now(), options_.timeout.value_or(nanoseconds(0)).count())};
  bool ended_ = false;
  ProcessResult result_;
  std::vector<Task<void>> talks_;
  detail::Spinlock lock_;
  std::exception_ptr failure_;  // under lock_ while there are talks
};

}  // namespace

ProcessResult run_process(const std::vector<std::string>& argv, const RunProcessOptions& options) {
  return Conversation(argv, options).run();
}

}  // namespace weft
