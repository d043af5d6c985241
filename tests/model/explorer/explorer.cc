#include "explorer/explorer.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <sstream>

#include <weft/detail/solo.h>

#include "explorer/atomic.h"
#include "explorer/run.h"

namespace model {

namespace {

using Option = Chooser::Option;
using Kind = Option::Kind;

// Depth first: repeats what is on the path, and takes the first option after that.
class Search : public Chooser {
 public:
  std::size_t choose(const std::vector<Option>& options) override {
    if (depth_ == path_.size()) path_.push_back({0, options.size()});
    return path_[depth_++].chosen;
  }
  void begin() { depth_ = 0; }
  /// The next path; false when there is none.
  bool advance() {
    while (!path_.empty() && path_.back().chosen + 1 == path_.back().count) path_.pop_back();
    if (path_.empty()) return false;
    ++path_.back().chosen;
    return true;
  }
  std::string seed() const {
    std::string text = "path";
    for (const Decision& decision : path_) text += '.' + std::to_string(decision.chosen);
    return text;
  }

 private:
  struct Decision {
    std::size_t chosen, count;
  };
  std::vector<Decision> path_;
  std::size_t depth_ = 0;
};

// What a Search has written down.
class Replay : public Chooser {
 public:
  explicit Replay(const std::string& seed) {
    std::istringstream text(seed.substr(seed.find('.') + 1));
    for (std::string part; std::getline(text, part, '.');) path_.push_back(std::stoul(part));
  }
  std::size_t choose(const std::vector<Option>& options) override {
    const std::size_t chosen = depth_ < path_.size() ? path_[depth_++] : 0;
    return std::min(chosen, options.size() - 1);
  }

 private:
  std::vector<std::size_t> path_;
  std::size_t depth_ = 0;
};

// PCT: the ready thread of the highest priority runs, and a few times that priority is lowered.
class Random : public Chooser {
 public:
  Random(std::uint64_t seed, int expected_steps) : random_(seed) {
    for (long& priority : priorities_) priority = static_cast<long>(random_() >> 2);
    for (int i = 0; i < 3; ++i) changes_.push_back(below(expected_steps));
  }
  std::size_t choose(const std::vector<Option>& options) override {
    if (options[0].kind == Kind::kNow) return below(4) == 0 ? 1 : 0;
    const long now = decisions_++;
    std::size_t best = options.size();
    for (std::size_t i = 0; i < options.size(); ++i) {
      const Option& option = options[i];
      if (option.kind != Kind::kRun) {
        if (below(option.kind == Kind::kFlush ? 3 : 16) == 0) return i;
      } else if (best == options.size() || priority(option) > priority(options[best])) {
        best = i;
      }
    }
    if (best == options.size()) return 0;
    for (const long change : changes_) {
      if (change == now) priority(options[best]) = -now;
    }
    return best;
  }
  bool takes_all() const override { return false; }

 private:
  long below(long bound) {
    return static_cast<long>(random_() % static_cast<std::uint64_t>(bound));
  }
  long& priority(const Option& option) {
    return priorities_[static_cast<std::size_t>(option.thread) % std::size(priorities_)];
  }
  std::mt19937_64 random_;
  long priorities_[8];
  std::vector<long> changes_;
  long decisions_ = 0;
};

constexpr Budget kUnbounded{1'000'000, 1'000'000, 1'000'000};

Budget budget_of(const Plan& plan) { return {plan.preemptions, plan.delays, plan.surprises}; }

std::string report_of(const Run& run, const std::string& seed) {
  return run.failure() + "\nrepeat it with WEFT_SEED=" + seed + "\n" + run.table();
}

// True if the run was well.
bool perform(const Plan& plan, Budget budget, Chooser& chooser, const Maker& make,
             const std::function<std::string()>& seed, Result& result) {
  Run run(plan, budget, chooser);
  const bool well = run.perform(make);
  result.steps += run.steps();
  if (!well) {
    result.failed = true;
    result.report = report_of(run, seed());
  }
  return well;
}

void search(const Plan& plan, const Maker& make, Result& result) {
  Search chooser;
  do {
    if (result.runs == plan.most_runs) return;
    ++result.runs;
    chooser.begin();
    if (!perform(
            plan, budget_of(plan), chooser, make, [&] { return chooser.seed(); }, result))
      return;
  } while (chooser.advance());
  result.complete = true;
}

void run_randomly(const Plan& plan, const Maker& make, Result& result) {
  const int expected = static_cast<int>(result.steps / std::max(result.runs, 1L)) + 1;
  for (long i = 0; i < plan.random_runs; ++i) {
    const std::uint64_t seed =
        static_cast<std::uint64_t>(i) * 1'000'003 + static_cast<unsigned>(expected);
    Random chooser(seed, expected);
    ++result.random_runs;
    const auto text = [&] {
      return "random." + std::to_string(seed) + '.' + std::to_string(expected);
    };
    if (!perform(plan, kUnbounded, chooser, make, text, result)) return;
  }
}

Result replay(const Plan& plan, const Maker& make, const std::string& seed) {
  Result result;
  result.runs = 1;
  const auto text = [&] { return seed; };
  if (seed.rfind("path", 0) == 0) {
    Replay chooser(seed);
    perform(plan, budget_of(plan), chooser, make, text, result);
  } else {
    std::uint64_t number = 0;
    int expected = 1;
    std::sscanf(seed.c_str(), "random.%" SCNu64 ".%d", &number, &expected);
    Random chooser(number, expected);
    perform(plan, kUnbounded, chooser, make, text, result);
  }
  return result;
}

}  // namespace

Result explore(const Plan& plan, const Maker& make) {
  if (const char* const seed = std::getenv("WEFT_SEED")) return replay(plan, make, seed);
  Result result;
  search(plan, make, result);
  if (!result.failed) run_randomly(plan, make, result);
  return result;
}

void require(bool holds, const char* what) {
  if (!holds) Run::current()->require_failed(what);
}

void gone(const void* begin, std::size_t size) {
  if (Run* const run = Run::current()) run->gone(begin, size);
}

void step(const char* what) {
  if (Run* const run = Run::current()) run->step(what);
}

bool surprise(const char* what) {
  Run* const run = Run::current();
  return run != nullptr && run->surprise(what);
}

void note_read(Causality::Accesses& data) {
  if (Run* const run = Run::current()) run->read_plain(data);
}

void note_write(Causality::Accesses& data) {
  if (Run* const run = Run::current()) run->write_plain(data);
}

// ---- The seam.

std::uint64_t load(const void* address, unsigned size, Order order) {
  return Run::current()->load(address, size, order);
}
void store(void* address, unsigned size, std::uint64_t value, Order order) {
  Run::current()->store(address, size, value, order);
}
std::uint64_t begin_update(void* address, unsigned size, Order order) {
  return Run::current()->begin_update(address, size, order);
}
void end_update(void* address, unsigned size, std::uint64_t value, Order order) {
  Run::current()->end_update(address, size, value, order);
}
void end_update_unchanged(const void* address, Order order) {
  Run::current()->end_unchanged(address, order);
}
void end_of(const void* address) {
  if (Run* const run = Run::current()) run->end_of(address);
}
void relax() { Run::current()->relax(); }
bool wait_on(const void* address, std::uint32_t expected, bool has_deadline) {
  return Run::current()->wait_on(address, expected, has_deadline);
}
void wake_on(const void* address, int count) { Run::current()->wake_on(address, count); }
void barrier_on_all() { Run::current()->barrier_on_all(); }
void*& local() {
  static void* outside_of_all = nullptr;
  return Run::current() != nullptr ? Run::current()->local() : outside_of_all;
}

}  // namespace model

// Where a model does not say otherwise (parties.cc), all are many.
namespace weft::detail {
[[gnu::weak]] Solo* solo_of_this_thread() noexcept { return nullptr; }
[[gnu::weak]] void become_one_of_many() noexcept {}
}  // namespace weft::detail
