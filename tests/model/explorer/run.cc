#include "explorer/run.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <memory>

namespace model {

using Kind = Chooser::Option::Kind;
using weft::detail::Transfer;

Run* Run::current_ = nullptr;

namespace {

constexpr std::size_t kStackSize = 64 * 1024;

// Stacks are used again by the next run.
std::vector<std::byte*>& free_stacks() {
  static std::vector<std::byte*> stacks;
  return stacks;
}

std::byte* take_stack() {
  auto& stacks = free_stacks();
  if (stacks.empty()) {
    void* const made = ::mmap(nullptr, kStackSize, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (made == MAP_FAILED) throw std::bad_alloc();
    stacks.push_back(static_cast<std::byte*>(made));
  }
  std::byte* const stack = stacks.back();
  stacks.pop_back();
  return stack;
}

bool releases(std::memory_order order) {
  return order == std::memory_order_release || order == std::memory_order_acq_rel ||
         order == std::memory_order_seq_cst;
}

}  // namespace

Run::Run(const Plan& plan, Budget budget, Chooser& chooser)
    : plan_(plan), left_(budget), chooser_(chooser) {
  current_ = this;
}

Run::~Run() {
  for (Thread& thread : threads_) free_stacks().push_back(thread.stack);
  current_ = nullptr;
}

bool Run::perform(const Maker& make) {
  std::unique_ptr<Model> model = make();
  start(model->threads());
  loop();
  if (failure_.empty()) model->at_end();
  if (failure_.empty()) return true;
  // For good: threads that were left in the middle point into it, and its destructors would object.
  static_cast<void>(model.release());
  return false;
}

void Run::start(const std::vector<std::function<void()>>& bodies) {
  threads_.resize(bodies.size());
  causality_.start(bodies.size());
  for (std::size_t i = 0; i < bodies.size(); ++i) {
    Thread& thread = threads_[i];
    thread.body = bodies[i];
    thread.stack = take_stack();
    thread.context = weft::detail::make_context(thread.stack + kStackSize, kStackSize, &enter);
  }
}

void Run::enter(Transfer arrival) {
  Run& run = *static_cast<Run*>(arrival.data);
  run.root_ = arrival.fctx;
  run.self().body();
  run.self().state = State::kEnded;
  run.trace_.add(run.running_, "ends");
  weft::detail::jump(run.root_, nullptr);
  __builtin_unreachable();
}

// ---- Decisions.

void Run::loop() {
  while (failure_.empty()) {
    const std::vector<Chooser::Option> possible = options();
    if (possible.empty()) {
      const bool all_ended =
          std::all_of(threads_.begin(), threads_.end(),
                      [](const Thread& thread) { return thread.state == State::kEnded; });
      if (!all_ended) fail("nobody can go on, and not all have ended");
      return;
    }
    if (++steps_ > plan_.most_steps) return fail("it does not end");
    const Chooser::Option& chosen = possible[chooser_.choose(possible)];
    switch (chosen.kind) {
      case Kind::kFlush:
        flush_first(chosen.thread);
        if (chooser_.takes_all()) flushed_ = chosen.thread;
        break;
      case Kind::kTimeOut:
        left_.surprises -= chosen.cost;
        threads_[static_cast<std::size_t>(chosen.thread)].timed_out = true;
        threads_[static_cast<std::size_t>(chosen.thread)].state = State::kReady;
        trace_.add(chosen.thread, "times out");
        break;
      default:
        left_.preemptions -= chosen.cost;
        resume(chosen.thread);
    }
  }
}

bool Run::can_run(const Thread& thread) const {
  return thread.state == State::kReady ||
         (thread.state == State::kSpinning && thread.seen < writes_of_others(thread));
}

// The thread that ran last goes first: to let it go on costs nothing.
std::vector<Chooser::Option> Run::options() const {
  std::vector<Chooser::Option> result;
  const int count = static_cast<int>(threads_.size());
  const auto thread_at = [&](int i) -> const Thread& {
    return threads_[static_cast<std::size_t>(i)];
  };
  const bool last_can = last_ >= 0 && can_run(thread_at(last_));
  if (last_can && last_ != flushed_) result.push_back({Kind::kRun, last_});
  const int cost = last_can ? 1 : 0;
  for (int i = 0; i < count; ++i) {
    if (i != last_ && i != flushed_ && can_run(thread_at(i)) && left_.preemptions >= cost) {
      result.push_back({Kind::kRun, i, cost});
    }
  }
  // A store that becomes visible is a difference to others alone. So this comes right before one of
  // them goes on, which may have waited for it; its own thread, which saw the store before, does
  // not.
  const auto others_may_go_on = [&](int i) {
    return i != last_ || !last_can || !chooser_.takes_all() || left_.preemptions > 0;
  };
  for (int i = 0; i < count; ++i) {
    if (!thread_at(i).buffer.empty() && others_may_go_on(i)) result.push_back({Kind::kFlush, i});
  }
  if (result.empty() && flushed_ >= 0 && can_run(thread_at(flushed_)))
    result.push_back({Kind::kRun, flushed_});
  for (int i = 0; i < count; ++i) {
    const Thread& thread = thread_at(i);
    if (thread.state == State::kAsleep && thread.has_deadline) {
      // Time passes at no cost when nothing else can happen.
      const int surprise = result.empty() ? 0 : 1;
      if (left_.surprises >= surprise) result.push_back({Kind::kTimeOut, i, surprise});
    }
  }
  for (int i = 0; result.empty() && i < count; ++i) {
    const Thread& thread = thread_at(i);
    if (thread.state == State::kSpinning && thread.vain_turns < kVainTurns) {
      result.push_back({Kind::kRun, i});
    }
  }
  return result;
}

void Run::resume(int thread) {
  flushed_ = -1;
  running_ = last_ = thread;
  Thread& chosen = threads_[static_cast<std::size_t>(thread)];
  if (chosen.state == State::kSpinning) {
    chosen.vain_turns = can_run(chosen) ? 0 : chosen.vain_turns + 1;
  }
  chosen.state = State::kReady;
  chosen.context = weft::detail::jump(chosen.context, this).fctx;
  running_ = -1;
}

void Run::point() {
  const Transfer arrival = weft::detail::jump(root_, nullptr);
  root_ = arrival.fctx;
}

void Run::fail(const std::string& what) {
  if (failure_.empty()) failure_ = what;
  trace_.add(running_, "FAILS");
}

void Run::require_failed(const char* what) {
  fail(what);
  if (running_ >= 0) point();  // for good: a run that has failed goes no further
}

// ---- Memory.

void Run::commit(const Pending& pending, int thread) {
  std::memcpy(pending.address, &pending.value, pending.size);
  count_write(thread);
  causality_.stored(pending.address, pending.carried);
  trace_.add(thread, "  @ = # is visible", pending.address, pending.value);
}

void Run::check_alive(const void* address) {
  const auto* const byte = static_cast<const std::byte*>(address);
  for (const auto& [begin, size] : gone_) {
    const auto* const first = static_cast<const std::byte*>(begin);
    if (byte >= first && byte < first + size) require_failed("touches what is destroyed");
  }
}

void Run::count_write(int thread) {
  ++writes_;
  ++threads_[static_cast<std::size_t>(thread)].own_writes;
}

void Run::flush_first(int thread) {
  auto& buffer = threads_[static_cast<std::size_t>(thread)].buffer;
  const Pending first = buffer.front();
  buffer.erase(buffer.begin());
  commit(first, thread);
}

void Run::flush_all(int thread) {
  while (!threads_[static_cast<std::size_t>(thread)].buffer.empty()) flush_first(thread);
}

void Run::flush_up_to(int thread, const void* address) {
  auto& buffer = threads_[static_cast<std::size_t>(thread)].buffer;
  const auto is_it = [&](const Pending& pending) { return pending.address == address; };
  while (std::any_of(buffer.begin(), buffer.end(), is_it)) flush_first(thread);
}

bool Run::waits_in_buffer(const void* address) {
  const auto& buffer = self().buffer;
  return std::any_of(buffer.begin(), buffer.end(),
                     [&](const Pending& pending) { return pending.address == address; });
}

std::uint64_t Run::visible(const void* address, unsigned size) const {
  std::uint64_t value = 0;
  if (running_ >= 0) {
    const auto& buffer = threads_[static_cast<std::size_t>(running_)].buffer;
    for (auto it = buffer.rbegin(); it != buffer.rend(); ++it) {
      if (it->address == address) return it->value;
    }
  }
  std::memcpy(&value, address, size);
  return value;
}

std::uint64_t Run::load(const void* address, unsigned size, std::memory_order order) {
  if (running_ < 0) return visible(address, size);
  point();
  check_alive(address);
  const std::uint64_t value = visible(address, size);
  if (!waits_in_buffer(address)) causality_.loaded(running_, address, order);
  trace_.add(running_, "load  @: #", address, value);
  return value;
}

void Run::store(void* address, unsigned size, std::uint64_t value, std::memory_order order) {
  if (running_ < 0) {
    std::memcpy(address, &value, size);
    return;
  }
  point();
  check_alive(address);
  trace_.add(running_, "store @ = #", address, value);
  const Pending pending{address, size, value, order == std::memory_order_relaxed,
                        causality_.carried(running_, order)};
  auto& buffer = self().buffer;
  if (order == std::memory_order_seq_cst) {
    flush_all(running_);
    return commit(pending, running_);
  }
  // In its order: behind what waits, unless it may overtake that.
  if (!buffer.empty() && (!pending.relaxed || waits_in_buffer(address))) {
    buffer.push_back(pending);
    if (buffer.size() > plan_.most_buffered) flush_first(running_);
    return;
  }
  std::vector<Chooser::Option> possible{{Kind::kNow, running_}};
  if (left_.delays > 0) possible.push_back({Kind::kLater, running_, 1});
  if (possible.size() > 1 && chooser_.choose(possible) == 1) {
    --left_.delays;
    buffer.push_back(pending);
  } else {
    commit(pending, running_);
  }
}

void Run::end_of(const void* address) {
  if (running_ >= 0) flush_up_to(running_, address);
}

std::uint64_t Run::begin_update(void* address, unsigned size, std::memory_order order) {
  if (running_ >= 0) {
    point();
    check_alive(address);
    if (releases(order)) {
      flush_all(running_);
    } else {
      flush_up_to(running_, address);
    }
  }
  return visible(address, size);
}

void Run::end_update(void* address, unsigned size, std::uint64_t value, std::memory_order order) {
  if (running_ >= 0) {
    causality_.updated(running_, address, order);
    trace_.add(running_, "swap  @: # to $", address, visible(address, size), value);
    count_write(running_);
  }
  std::memcpy(address, &value, size);
}

void Run::end_unchanged(const void* address, std::memory_order order) {
  if (running_ < 0) return;
  causality_.loaded(running_, address, order);
  trace_.add(running_, "swap  @ fails", address);
}

// ---- Waiting.

void Run::relax() {
  if (running_ < 0) return;
  // It may go on when others have written anything since this turn of its loop began.
  self().state = State::kSpinning;
  trace_.add(running_, "spins");
  point();
  self().seen = writes_of_others(self());
}

bool Run::wait_on(const void* address, std::uint32_t expected, bool has_deadline) {
  if (running_ < 0) return true;
  point();
  flush_all(running_);  // a system call
  if (visible(address, sizeof expected) != expected) return true;
  Thread& sleeper = self();
  sleeper.state = State::kAsleep;
  sleeper.sleeps_on = address;
  sleeper.has_deadline = has_deadline;
  sleeper.timed_out = false;
  trace_.add(running_, "sleeps on @", address);
  point();
  trace_.add(running_, "wakes");
  return !sleeper.timed_out;
}

void Run::wake_on(const void* address, int count) {
  if (running_ < 0) return;
  point();
  flush_all(running_);
  trace_.add(running_, "wakes who sleeps on @", address);
  for (Thread& thread : threads_) {
    if (count > 0 && thread.state == State::kAsleep && thread.sleeps_on == address) {
      thread.state = State::kReady;
      --count;
    }
  }
}

void Run::read_plain(Causality::Accesses& data) {
  if (running_ >= 0 && !causality_.read(running_, data)) {
    require_failed("reads plain data that another thread wrote, without having seen that");
  }
}

void Run::write_plain(Causality::Accesses& data) {
  if (running_ >= 0 && !causality_.write(running_, data)) {
    require_failed("writes plain data that another thread used, without having seen that");
  }
}

void Run::step(const char* what) {
  if (running_ < 0) return;
  point();
  trace_.add(running_, what);
}

bool Run::surprise(const char* what) {
  if (running_ < 0 || left_.surprises == 0) return false;
  if (chooser_.choose({{Kind::kNow, running_}, {Kind::kLater, running_, 1}}) == 0) return false;
  --left_.surprises;
  trace_.add(running_, what);
  return true;
}

void Run::barrier_on_all() {
  if (running_ < 0) return;
  point();
  for (std::size_t i = 0; i < threads_.size(); ++i) flush_all(static_cast<int>(i));
  causality_.join_all();
  trace_.add(running_, "barrier on all threads");
}

}  // namespace model
