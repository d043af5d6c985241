#include "hook/audit_sampling.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "base/futex.h"
#include "base/signal_mask.h"
#include "hook/audit_calls.h"
#include "hook/audit_stack_signal.h"
#include "sched/worker.h"
#include "time/clock.h"

namespace weft::hook {

namespace {

// ---- What the kernel shows of a thread.

// "" if it cannot be read.
std::string read_file(int thread, const char* name) {
  const std::string path = "/proc/self/task/" + std::to_string(thread) + "/" + name;
  std::string text(4096, '\0');
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return "";
  const ssize_t count = ::read(fd, text.data(), text.size());
  ::close(fd);
  text.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
  return text;
}

template <class Number>
Number take_number(std::string_view& text, int base) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  if (base == 16 && text.starts_with("0x")) text.remove_prefix(2);
  Number number = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), number, base).ptr;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

struct Status {
  bool asleep = false;
  std::uint64_t times_slept = 0;
  std::uint64_t blocked_signals = 0;
};

Status status_of(int thread) {
  const std::string text = read_file(thread, "status");
  const auto field = [&text](const char* name) {
    const std::size_t found = text.find(name);
    return found == std::string::npos ? std::string_view()
                                      : std::string_view(text).substr(found + std::strlen(name));
  };
  std::string_view state = field("State:");
  std::string_view slept = field("\nvoluntary_ctxt_switches:");
  std::string_view blocked = field("\nSigBlk:");
  const std::string_view letter =
      state.substr(std::min(state.find_first_not_of('\t'), state.size()));
  return {letter.starts_with('S') || letter.starts_with('D'), take_number<std::uint64_t>(slept, 10),
          take_number<std::uint64_t>(blocked, 16)};
}

// "running", or the number, six arguments, stack pointer and place; without the arguments if it is
// no call. Kernels may have no such file.
std::optional<Asleep> call_of(int thread) {
  const std::string line = read_file(thread, "syscall");
  if (line.starts_with("running")) return std::nullopt;
  Asleep call;
  if (line.empty()) return call;
  std::string_view text = line;
  call.number = take_number<long>(text, 10);
  if (call.number >= 0) {
    for (std::uint64_t& argument : call.arguments) argument = take_number<std::uint64_t>(text, 16);
  }
  call.stack_pointer = take_number<std::uint64_t>(text, 16);
  call.place = take_number<std::uint64_t>(text, 16);
  return call;
}

// ---- One worker.

// A fiber between two switches.
struct Turn {
  const detail::Fiber* fiber = nullptr;  // null: none
  std::uint64_t id = 0;
  std::uint64_t number = 0;

  bool operator==(const Turn&) const = default;
};

struct Sight {
  Turn turn;
  std::optional<Asleep> call;  // nothing: it runs
  Status status;
};

class Watched {
 public:
  explicit Watched(detail::Worker& worker)
      : worker_(worker), thread_(static_cast<int>(::syscall(SYS_gettid))) {
    request_.serve_here();
  }
  ~Watched() { StackRequest::serve_nothing_here(); }
  Watched(const Watched&) = delete;
  Watched& operator=(const Watched&) = delete;

  bool is_of(const detail::Worker& worker) const noexcept { return &worker_ == &worker; }

  void look() {
    const Sight sight = see();
    const bool same_turn = sight.turn == turn_ && turn_.fiber != nullptr;
    const bool same_call = same_turn && sight.call.has_value() && sight.call == call_;
    switch (phase_) {
      case Phase::kSeen:
        return same_call && sleeps_on(sight) ? confirm(sight) : begin(sight);
      case Phase::kAsked:
        if (request_.answer() != nullptr) return note(request_.answer(), Phase::kWoken);
        if (same_turn && ++looks_ < kPatience) return;
        note(nullptr, Phase::kNoted);
        return same_call ? void() : begin(sight);
      case Phase::kWoken:
        if (same_call) return go_on(sight);
        return same_turn && !sight.call.has_value() && ++looks_ < kPatience ? void() : begin(sight);
      case Phase::kNoted:
        return same_call && sleeps_on(sight) ? add_time() : begin(sight);
    }
  }

 private:
  // A call is Seen, and when it is seen again it is Asked for its stack, which wakes its thread:
  // Woken, until it sleeps again in the same call. Noted without that if nobody answers.
  enum class Phase : std::uint8_t { kSeen, kAsked, kWoken, kNoted };

  // Looks that something is waited for: on a busy machine a thread that is to run does not at once.
  static constexpr int kPatience = 50;

  Turn turn() const noexcept {
    const detail::Fiber* const fiber = worker_.observed();
    if (fiber == worker_.root()) return {};
    return {fiber, fiber->id.load(std::memory_order_relaxed), worker_.stats().turns.read()};
  }

  Sight see() const {
    Sight sight{turn(), std::nullopt, {}};
    if (sight.turn.fiber == nullptr) return sight;
    const std::optional<Asleep> call = call_of(thread_);
    if (!call.has_value()) return sight;
    sight.status = status_of(thread_);
    if (sight.status.asleep && turn() == sight.turn) sight.call = call;
    return sight;
  }

  // The same call over and over is several.
  bool sleeps_on(const Sight& sight) const noexcept {
    return sight.status.times_slept == times_slept_;
  }

  void begin(const Sight& sight) {
    if (phase_ != Phase::kSeen) request_.withdraw();
    phase_ = Phase::kSeen;
    turn_ = sight.call.has_value() ? sight.turn : Turn();
    call_ = sight.call;
    times_slept_ = sight.status.times_slept;
    since_ = until_ = detail::now();
    looks_ = 0;
  }

  void confirm(const Sight& sight) {
    const std::uint64_t bit = std::uint64_t{1} << (stack_signal() - 1);
    if (call_->place == 0 || (sight.status.blocked_signals & bit) != 0) {
      return note(nullptr, Phase::kNoted);
    }
    phase_ = Phase::kAsked;
    request_.ask(thread_, *call_);
  }

  void note(const StackTrace* answer, Phase next) {
    StackTrace stack;
    if (answer != nullptr) stack = *answer;
    // The place alone is what the kernel tells, too.
    if (stack.count == 0 && call_->place != 0) {
      stack.frames[stack.count++] = reinterpret_cast<void*>(call_->place);
    }
    // The fiber may have ended meanwhile.
    const std::string name = detail::name_of(*turn_.fiber, turn_.id);
    entry_ = g_audit_log.add_call(describe_call(call_->number, call_->arguments[0]), stack,
                                  {turn_.id, name.c_str(), detail::site_of(*turn_.fiber)});
    phase_ = next;
    looks_ = 0;
    add_time();
  }

  void go_on(const Sight& sight) noexcept {
    times_slept_ = sight.status.times_slept;
    phase_ = Phase::kNoted;
    add_time();
  }

  void add_time() noexcept {
    const Nanos time = detail::now();
    g_audit_log.add_time(entry_, time - until_, time - since_);
    until_ = time;
  }

  detail::Worker& worker_;
  const int thread_;
  StackRequest request_;
  Phase phase_ = Phase::kSeen;
  Turn turn_;  // and call: what was seen; no fiber if it was not asleep
  std::optional<Asleep> call_;
  std::uint64_t times_slept_ = 0;
  Nanos since_ = 0;
  Nanos until_ = 0;  // what has been noted
  int looks_ = 0;
  AuditLog::Entry* entry_ = nullptr;
};

// ---- All of them.

constexpr Nanos kPeriod = 2'000'000;

// Never destroyed: the thread may still look when the program ends.
class Sampler {
 public:
  static Sampler& instance() {
    static Sampler& sampler = *new Sampler;
    return sampler;
  }

  void add(detail::Worker& worker) {
    const std::lock_guard lock(mutex_);
    workers_.emplace_back(worker);
    if (std::exchange(runs_, true)) return;
    const detail::AllSignalsBlocked blocked;
    std::thread([this] { run(); }).detach();
  }
  void remove(detail::Worker& worker) noexcept {
    const std::lock_guard lock(mutex_);
    workers_.remove_if([&worker](const Watched& each) { return each.is_of(worker); });
  }

 private:
  void run() {
    const detail::Atomic<std::uint32_t> never{0};
    for (;;) {
      detail::futex_wait(never, 0, detail::now() + kPeriod);
      const std::lock_guard lock(mutex_);
      if (workers_.empty()) {
        runs_ = false;
        return;
      }
      for (Watched& worker : workers_) worker.look();
    }
  }

  // Keeps a worker from ending while it is looked at.
  std::mutex mutex_;
  std::list<Watched> workers_;  // under mutex_, as is the other
  bool runs_ = false;
};

}  // namespace

void install_sampling() noexcept { install_stack_handler(); }

void begin_sampling(detail::Worker& worker) noexcept { Sampler::instance().add(worker); }

void end_sampling(detail::Worker& worker) noexcept { Sampler::instance().remove(worker); }

}  // namespace weft::hook
