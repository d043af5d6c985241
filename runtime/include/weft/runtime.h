#pragma once

#include <weft/detail/interrupt_scope.h>
#include <weft/metrics.h>
#include <weft/task.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>

namespace weft {

/// An exception that nobody has read by the time its task's last handle went.
struct LostException {
  std::uint64_t task_id;
  std::string task_name;
  SpawnSite site;
  std::exception_ptr exception;
};

/// How to run a runtime. What is left at its default is taken from the environment variable named,
/// if that is set; a value set here wins. A bad value of either is a std::invalid_argument that
/// says what is allowed.
struct Options {
  /// Worker threads, at most 1024. 0: as many as the affinity mask and the cgroup's CPU quota
  /// allow. WEFT_WORKERS.
  unsigned workers = 0;
  /// Bytes of a task's stack, guard page included, from 16 KiB to 64 MiB, rounded up to a power of
  /// two. 0: 256 KiB. WEFT_STACK_SIZE.
  std::size_t stack_size = 0;
  /// How to wait for descriptors: "epoll"; "uring", by io_uring; "mixed", for sockets, pipes and
  /// terminals by epoll and for files on disk by io_uring (either is an error where the kernel
  /// refuses that, and takes Linux 5.18); or "auto" (or empty), which is "mixed" where the kernel
  /// grants it, else "epoll". On io_uring a call that blocks a worker's thread, without the hooks,
  /// may be interrupted where its manual page has EINTR; so it may with "mixed" while another task
  /// waits for a file. WEFT_DRIVER overrides even a value set here.
  std::string driver = {};
  /// The most threads of the blocking pool, at most 4096. 0: 64. WEFT_BLOCKING_THREADS.
  unsigned blocking_threads = 0;
  /// For people: the prefix of the names of workers and monitor. Other threads are called
  /// "weft-block-N" (the blocking pool), "weft-signals" and "weft-reaper". Empty: "weft".
  /// WEFT_NAME.
  std::string name = {};
  /// Strict order: a fiber that becomes ready, or is spawned, queues behind all that are ready.
  /// With one worker this is asyncio's order of execution, step by step. Otherwise who was woken
  /// last goes first, and trees of tasks run depth first, which takes far less memory. WEFT_FIFO=1.
  bool fifo = false;
  /// Reports to standard error, each with the place where it was spawned: fibers that keep a worker
  /// for `slow_fiber` or longer; tasks that are still pending when the runtime ends; and once, when
  /// for a second every task has waited and no timer, descriptor or blocking call is going to wake
  /// one, what each of them waits for. WEFT_DEBUG=1.
  bool debug = false;
  std::chrono::nanoseconds slow_fiber = std::chrono::milliseconds(100);
  /// Called with each lost exception, on the thread that drops the last handle. Empty: a line on
  /// standard error. Must not throw. A handle that is dropped outside the runtime's fibers reports
  /// to standard error.
  std::function<void(const LostException&)> on_lost_exception = {};
};

/// Workers, a reactor and a blocking pool, for a program that has a main() and threads of its own.
class Runtime {
 public:
  /// Starts the threads. Throws std::invalid_argument, std::system_error.
  explicit Runtime(const Options& options = {});
  /// Cancels every task that is left, waits until all have ended, reports exceptions nobody has
  /// read, joins every thread. Not from a fiber.
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  /// Runs `main()` as a task, blocks the calling thread until it has ended, and returns its result
  /// or throws what it threw. Other tasks go on. From any thread that is no worker, several at a
  /// time; from a fiber: std::logic_error. Where the program left SIGINT at its default, the first
  /// SIGINT meanwhile cancels `main`, the second ends the process.
  template <class F>
  requires std::is_invocable_v<std::decay_t<F>> detail::ResultOf<F> run(
      F&& main, SpawnSite site = SpawnSite::current()) {
    refuse_nesting();
    const detail::InterruptScope interrupts;  // before main can be interrupted
    Task<detail::ResultOf<F>> task(
        detail::spawn_on(&scheduler(), {.name = "main"}, site, std::forward<F>(main)));
    wait_for_main(task.ref(), interrupts);
    return std::move(task).get();
  }

  /// Starts a task from any thread, without waiting. Throws std::bad_alloc, and then nothing was
  /// started.
  template <class F>
  requires std::is_invocable_v<std::decay_t<F>> Task<detail::ResultOf<F>> post(
      F&& callable, SpawnSite site = SpawnSite::current()) {
    return Task<detail::ResultOf<F>>(
        detail::spawn_on(&scheduler(), {}, site, std::forward<F>(callable)));
  }

  template <class F>
  void run(F&&, SpawnSite = {}) {
    static_assert(detail::kRight<F>, "weft::Runtime::run: `main` " WEFT_TAKES_NO_ARGUMENTS);
  }
  template <class F>
  Task<void> post(F&&, SpawnSite = {}) {
    static_assert(detail::kRight<F>,
                  "weft::Runtime::post: a task's callable " WEFT_TAKES_NO_ARGUMENTS);
    return {};
  }

  unsigned workers() const noexcept;
  Metrics metrics() const;

 private:
  struct Inside;

  static void refuse_nesting();
  static void wait_for_main(const detail::TaskRef& main, const detail::InterruptScope& interrupts);
  detail::Scheduler& scheduler() const noexcept;

  std::unique_ptr<Inside> inside_;
};

/// Starts a runtime, runs `main()` as its first task, ends the runtime (see ~Runtime), and returns
/// the result or throws what `main` threw. asyncio.run(). Not from a fiber: std::logic_error.
template <class F>
requires std::is_invocable_v<std::decay_t<F>> detail::ResultOf<F> run(
    const Options& options, F&& main, SpawnSite site = SpawnSite::current()) {
  Runtime runtime(options);
  return runtime.run(std::forward<F>(main), site);
}

template <class F>
requires std::is_invocable_v<std::decay_t<F>> detail::ResultOf<F> run(
    F&& main, SpawnSite site = SpawnSite::current()) {
  return run(Options{}, std::forward<F>(main), site);
}

template <class F>
void run(const Options&, F&&, SpawnSite = {}) {
  static_assert(detail::kRight<F>, "weft::run: `main` " WEFT_TAKES_NO_ARGUMENTS);
}
template <class F>
void run(F&&, SpawnSite = {}) {
  static_assert(detail::kRight<F>, "weft::run: `main` " WEFT_TAKES_NO_ARGUMENTS);
}

}  // namespace weft
