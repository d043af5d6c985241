#pragma once

// One run: its threads, their store buffers, and the decisions made.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "explorer/causality.h"
#include "explorer/explorer.h"
#include "explorer/trace.h"
#include "fiber/context.h"

namespace model {

/// Who decides. Options come in the same order in each run with the same decisions before.
class Chooser {
 public:
  virtual ~Chooser() = default;
  struct Option {
    enum class Kind : std::uint8_t { kRun, kFlush, kTimeOut, kNow, kLater };
    Kind kind;
    int thread;
    int cost = 0;  ///< Of its sort: a preemption, a delay, a surprise.
  };
  /// The index of one of `options`, which is not empty. The first is the cheapest.
  virtual std::size_t choose(const std::vector<Option>& options) = 0;
  /// Whether it goes through all, so that one of several that come to the same is enough.
  virtual bool takes_all() const { return true; }
};

struct Budget {
  int preemptions, delays, surprises;
};

class Run {
 public:
  Run(const Plan& plan, Budget budget, Chooser& chooser);
  ~Run();
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  /// Runs it to its end or to its failure. True if all was well.
  bool perform(const Maker& make);

  long steps() const noexcept { return steps_; }
  const std::string& failure() const noexcept { return failure_; }
  std::string table() const { return trace_.table(threads_.size()); }

  static Run* current() noexcept { return current_; }
  int running() const noexcept { return running_; }
  void*& local() noexcept { return running_ < 0 ? outside_ : self().local; }

  // -- By the running model thread; outside of one they act on memory at once.
  std::uint64_t load(const void* address, unsigned size, std::memory_order order);
  void store(void* address, unsigned size, std::uint64_t value, std::memory_order order);
  std::uint64_t begin_update(void* address, unsigned size, std::memory_order order);
  void end_update(void* address, unsigned size, std::uint64_t value, std::memory_order order);
  void end_unchanged(const void* address, std::memory_order order);
  void end_of(const void* address);
  void relax();
  bool wait_on(const void* address, std::uint32_t expected, bool has_deadline);
  void wake_on(const void* address, int count);
  void step(const char* what);
  void read_plain(Causality::Accesses& data);
  void write_plain(Causality::Accesses& data);
  bool surprise(const char* what);
  void barrier_on_all();
  void require_failed(const char* what);
  void gone(const void* begin, std::size_t size) { gone_.emplace_back(begin, size); }

 private:
  struct Pending {
    void* address;
    unsigned size;
    std::uint64_t value;
    bool relaxed;
    Causality::Clock carried;
  };
  enum class State : std::uint8_t { kReady, kSpinning, kAsleep, kEnded };
  struct Thread {
    std::function<void()> body;
    std::byte* stack = nullptr;
    weft::detail::Context context = nullptr;
    State state = State::kReady;
    std::vector<Pending> buffer;
    const void* sleeps_on = nullptr;
    void* local = nullptr;
    bool has_deadline = false;
    bool timed_out = false;
    long own_writes = 0;
    long seen = 0;       // the others' writes there were when it last began a turn of a spin loop
    int vain_turns = 0;  // that it was given although there were no new ones
  };

  void start(const std::vector<std::function<void()>>& bodies);
  static void enter(weft::detail::Transfer arrival);
  void loop();
  std::vector<Chooser::Option> options() const;
  bool can_run(const Thread& thread) const;
  long writes_of_others(const Thread& thread) const { return writes_ - thread.own_writes; }
  void count_write(int thread);
  void check_alive(const void* address);
  // Of loops within loops the inner one may have seen the write that the outer one waits for; so
  // when nothing else can happen, whoever spins gets a few turns more.
  static constexpr int kVainTurns = 4;
  void resume(int thread);
  void fail(const std::string& what);
  void point();  // back to loop(), until the thread is chosen again
  void commit(const Pending& pending, int thread);
  void flush_first(int thread);
  void flush_all(int thread);
  void flush_up_to(int thread, const void* address);
  bool waits_in_buffer(const void* address);  // of the running thread
  std::uint64_t visible(const void* address, unsigned size) const;
  Thread& self() { return threads_[static_cast<std::size_t>(running_)]; }

  static Run* current_;
  const Plan& plan_;
  Budget left_;
  Chooser& chooser_;
  std::vector<Thread> threads_;
  weft::detail::Context root_ = nullptr;
  int running_ = -1;  // the thread that runs; -1: the explorer
  int last_ = -1;     // the thread that ran last
  int flushed_ = -1;  // of which a store has become visible since
  long writes_ = 0;
  long steps_ = 0;
  bool in_update_ = false;
  void* outside_ = nullptr;
  std::string failure_;
  Trace trace_;
  Causality causality_;
  std::vector<std::pair<const void*, std::size_t>> gone_;
};

}  // namespace model
