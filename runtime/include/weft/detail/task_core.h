#pragma once

// SpawnSite and SpawnOptions, which are public, and the untyped core under Task<T>, spawn and
// gather. What is in namespace detail is not for users; it may change with any release.

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

namespace weft {

/// Where in the program's source a task was spawned. (std::source_location is unknown to Clang 14.)
struct SpawnSite {
  const char* file = "";
  const char* function = "";
  std::uint32_t line = 0;

  static constexpr SpawnSite current(const char* file = __builtin_FILE(),
                                     const char* function = __builtin_FUNCTION(),
                                     std::uint32_t line = __builtin_LINE()) noexcept {
    return {file, function, line};
  }
};

/// How to run a task.
struct SpawnOptions {
  /// For people: shown in reports. Copied. Empty: "task-ID".
  std::string_view name = {};
  /// Bytes, guard page included, rounded up to a power of two; 16 KiB to 64 MiB. 0: the runtime's
  /// default.
  std::size_t stack_size = 0;
  /// The task stays on the worker that starts it.
  bool pinned = false;
};

namespace detail {

struct Fiber;
class Scheduler;
enum class Wake : std::uint8_t;

/// What a task runs, and where its result goes. Lives in the task's descriptor when it fits.
class Body {
 public:
  virtual ~Body() = default;
  /// Runs the callable and stores the result. Throws what the callable throws.
  virtual void run() = 0;
  /// Destroys the callable, when it has run or will never run: what it captured is free then, not
  /// only when the last handle goes.
  virtual void discard() noexcept = 0;
};

/// `void` as a value.
template <class T>
using Stored = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

template <class T>
class ResultBody : public Body {
 public:
  ~ResultBody() override {
    if (has_value_) std::destroy_at(&value_);
  }
  Stored<T>& value() noexcept { return value_; }

 protected:
  ResultBody() noexcept {}
  template <class... Arguments>
  void emplace(Arguments&&... arguments) {
    std::construct_at(&value_, std::forward<Arguments>(arguments)...);
    has_value_ = true;
  }

 private:
  template <class, class>
  friend class CallBody;
  union {
    Stored<T> value_;
  };
  bool has_value_ = false;
  bool has_callable_ = true;  // CallBody's, in what would be padding there
};

template <class T, class F>
class CallBody final : public ResultBody<T> {
 public:
  template <class G>
  explicit CallBody(G&& callable) : callable_(std::forward<G>(callable)) {}
  ~CallBody() override {
    if (this->has_callable_) discard();
  }

  void run() override {
    if constexpr (std::is_void_v<T>) {
      std::invoke(std::move(callable_));
      this->emplace();
    } else {
      ::new (static_cast<void*>(std::addressof(this->value_))) T(std::invoke(std::move(callable_)));
      this->has_value_ = true;
    }
  }
  void discard() noexcept override {
    this->has_callable_ = false;
    std::destroy_at(&callable_);
  }

 private:
  union {
    F callable_;
  };
};

enum class TaskOutcome : std::uint8_t { kPending, kValue, kFailed, kCancelled };

/// A counted handle to a task. Copyable; may outlive the runtime; usable from any thread.
class TaskRef {
 public:
  TaskRef() = default;
  TaskRef(const TaskRef& other) noexcept;
  TaskRef(TaskRef&& other) noexcept : fiber_(std::exchange(other.fiber_, nullptr)) {}
  TaskRef& operator=(TaskRef other) noexcept {
    std::swap(fiber_, other.fiber_);
    return *this;
  }
  ~TaskRef() {
    if (fiber_ != nullptr) release();
  }

  explicit operator bool() const noexcept { return fiber_ != nullptr; }
  Fiber& fiber() const noexcept { return *fiber_; }
  bool operator==(const TaskRef&) const noexcept = default;

  /// Waits until the task has ended. Cancellable: ends the wait alone.
  void join() const;
  /// Waits as `await task` does: a cancellation of the caller is passed on to the task, whose end
  /// decides. Then throws what the task threw.
  void await() const;
  /// After the end: throws what the task threw. The exception counts as read from then on.
  void rethrow() const;

  TaskOutcome outcome() const noexcept;
  std::exception_ptr error() const noexcept;  // reading it counts
  void mark_read() const noexcept;
  bool cancel() const noexcept;
  unsigned uncancel() const noexcept;
  unsigned cancelling() const noexcept;
  std::uint64_t id() const noexcept;
  std::string_view name() const noexcept;
  Body& body() const noexcept;

 private:
  friend class NewTask;
  explicit TaskRef(Fiber* fiber) noexcept : fiber_(fiber) {}
  /// Of a task that has not ended with a value.
  void await_value() const;
  /// What a first wait came to, if there was one.
  void await_end(std::optional<Wake> first) const;
  void release() noexcept;

  Fiber* fiber_ = nullptr;
};

/// Throws std::invalid_argument if it names none.
void check_task(const TaskRef& task);

/// What there is to do for a task when it has run: nothing, for most.
struct Upkeep {
  static constexpr std::uint8_t kCallable = 1;  // discard() does something
  static constexpr std::uint8_t kResult = 2;    // and so does ~Body() after it
  static constexpr std::uint8_t kExtras = 4;    // it has a name, or a body on the heap
  static constexpr std::uint8_t kContext = 8;   // it has values of context variables
};

/// A task that is being made: a descriptor with room for its body. Dropped unstarted, it is as if
/// it had never been.
class NewTask {
 public:
  /// Two words, so that they are returned in registers.
  struct Made {
    Fiber* fiber;
    void* room;
  };
  /// The largest body that needs no room of its own, and its alignment.
  static constexpr std::size_t kInlineBody = 64;
  static constexpr std::size_t kInlineAlignment = 16;
  static constexpr bool fits(std::size_t body_size, std::size_t body_alignment) noexcept {
    return body_size <= kInlineBody && body_alignment <= kInlineAlignment;
  }

  /// In the runtime of the calling fiber, for such a body. Throws std::logic_error outside a
  /// runtime, std::bad_alloc.
  static Made make(const SpawnSite& site);
  /// `scheduler` null: the one of the calling fiber. Throws also std::invalid_argument for a bad
  /// option.
  static Made make(Scheduler* scheduler, const SpawnOptions& options, const SpawnSite& site,
                   std::size_t body_size, std::size_t body_alignment);

  explicit NewTask(const Made& made) noexcept : made_(made) {}
  ~NewTask() {
    if (made_.fiber != nullptr) drop(*made_.fiber);
  }
  NewTask(const NewTask&) = delete;
  NewTask& operator=(const NewTask&) = delete;

  void* room() const noexcept { return made_.room; }
  Fiber& fiber() const noexcept { return *made_.fiber; }
  /// One handle more, for who starts it; before it starts.
  TaskRef another_handle() noexcept { return another_handle(*made_.fiber); }
  /// `upkeep`: of the body.
  TaskRef start(Body& body, std::uint8_t upkeep) noexcept {
    Fiber* const fiber = std::exchange(made_.fiber, nullptr);
    start(*fiber, body, upkeep);
    return TaskRef(fiber);
  }
  /// Not to run before somebody wakes it, by its fiber's present epoch; it cannot be cancelled.
  TaskRef start_asleep(Body& body, std::uint8_t upkeep) noexcept {
    Fiber* const fiber = std::exchange(made_.fiber, nullptr);
    start_asleep(*fiber, body, upkeep);
    return TaskRef(fiber);
  }

 private:
  static void start(Fiber& fiber, Body& body, std::uint8_t upkeep) noexcept;
  static void start_asleep(Fiber& fiber, Body& body, std::uint8_t upkeep) noexcept;
  static void drop(Fiber& fiber) noexcept;
  static TaskRef another_handle(Fiber& fiber) noexcept;

  Made made_;
};

template <class F>
using ResultOf = std::invoke_result_t<std::decay_t<F>>;
template <class F>
using BodyOf = CallBody<std::remove_reference_t<ResultOf<F>>, std::decay_t<F>>;

/// Makes a task of a callable, and has `start(NewTask&, Body&, upkeep)` start it.
template <class F, class Start>
auto make_call(const NewTask::Made& made, F&& callable, Start&& start) {
  static_assert(!std::is_reference_v<ResultOf<F>>,
                "weft: a task returns a value: what a reference means may be gone by then");
  static_assert(std::is_constructible_v<std::decay_t<F>, F>,
                "weft: a task has a callable of its own, and this one cannot be copied: move it, "
                "as in weft::spawn(std::move(f))");
  constexpr bool kDiscard = !std::is_trivially_destructible_v<std::decay_t<F>>;
  constexpr bool kDestroy =
      !std::is_trivially_destructible_v<Stored<std::remove_reference_t<ResultOf<F>>>>;
  NewTask task(made);
  auto* const body = ::new (task.room()) BodyOf<F>(std::forward<F>(callable));
  return start(task, static_cast<Body&>(*body),
               (kDiscard ? Upkeep::kCallable : 0) | (kDestroy ? Upkeep::kResult : 0));
}

/// The same; `scheduler` null: that of the calling fiber.
template <class F, class Start>
auto make_task(Scheduler* scheduler, const SpawnOptions& options, const SpawnSite& site,
               F&& callable, Start&& start) {
  using Made = BodyOf<F>;
  return make_call(NewTask::make(scheduler, options, site, sizeof(Made), alignof(Made)),
                   std::forward<F>(callable), std::forward<Start>(start));
}

/// In the runtime of the calling fiber and without options, as most tasks are.
template <class F, class Start>
auto make_task(const SpawnSite& site, F&& callable, Start&& start) {
  using Made = BodyOf<F>;
  if constexpr (NewTask::fits(sizeof(Made), alignof(Made))) {
    return make_call(NewTask::make(site), std::forward<F>(callable), std::forward<Start>(start));
  } else {
    return make_task(nullptr, {}, site, std::forward<F>(callable), std::forward<Start>(start));
  }
}

struct JustStart {
  TaskRef operator()(NewTask& task, Body& body, std::uint8_t upkeep) const noexcept {
    return task.start(body, upkeep);
  }
};

template <class F>
TaskRef spawn_on(Scheduler* scheduler, const SpawnOptions& options, const SpawnSite& site,
                 F&& callable) {
  return make_task(scheduler, options, site, std::forward<F>(callable), JustStart());
}

}  // namespace detail
}  // namespace weft
