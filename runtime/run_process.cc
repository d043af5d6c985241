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
#include <optional>
#include <span>
#include <system_error>
#include <utility>

#include "base/spinlock.h"
#include "io/process_state.h"
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
                                  .new_group = options.new_group})) {
    if (options.new_group) keeper_.emplace(process_.state("run"));
  }
  // Left by an exception, it takes the process along, and what is left of its group. A wait
  // meanwhile cannot be cancelled.
  ~Conversation() {
    if (succeeded_) return;
    try {
      kill();
      if (!ended_) process_.wait();
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
    succeeded_ = true;
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
    try {
      kill();
    } catch (const std::system_error&) {
      // One that has become another user's, say. What has failed first is what matters.
    }
  }
  bool has_failed() {
    const std::lock_guard lock(lock_);
    return failure_ != nullptr;
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

  // Who holds on to the output may outlive the process.
  void await_talks() {
    const nanoseconds last_words = nanoseconds(detail::now()) + kLastWords;
    nanoseconds end = nanoseconds::max();
    if (result_.timed_out) {
      end = last_words;
    } else if (options_.timeout.has_value()) {
      end = std::max(deadline_, last_words);
    }
    std::vector<Task<void>> pending = await_talks_until(end);
    // When one has failed, nobody will see what the others read.
    if (!pending.empty() && !has_failed()) {
      if (!result_.timed_out && options_.new_group) pending = stop_group(std::move(pending));
      result_.timed_out = true;
    }
    for (const Task<void>& task : pending) task.cancel();
  }
  // Or until one fails; those that go on.
  std::vector<Task<void>> await_talks_until(nanoseconds end) {
    std::vector<Task<void>> pending = talks_;
    while (!pending.empty() && !has_failed()) {
      auto [done, rest] = wait(pending, first_completed, end - nanoseconds(detail::now()));
      pending = std::move(rest);
      if (done.empty()) break;
    }
    return pending;
  }
  // When the process itself has ended. The talks that go on all the same.
  std::vector<Task<void>> stop_group(std::vector<Task<void>> talks) {
    process_.kill_group(SIGTERM);
    auto [ended, deaf] = wait(talks, all_completed, options_.grace);
    process_.kill_group(SIGKILL);
    if (deaf.empty()) return {};
    auto [silent, outside] = wait(deaf, all_completed, kLastWords);
    return std::move(outside);
  }

  const RunProcessOptions& options_;
  const std::string program_;
  Process process_;
  // Of a group's first: its number is needed until the end.
  std::optional<detail::StatusKeeper> keeper_;
  const nanoseconds deadline_{
      detail::saturating_add(detail::now(), options_.timeout.value_or(nanoseconds(0)).count())};
  bool ended_ = false;  // the process itself
  bool succeeded_ = false;
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
