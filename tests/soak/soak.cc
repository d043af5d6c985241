// Goal: whatever is done with the public surface at once and for however long, nothing is lost and
// nothing is left: tasks, results, exceptions, bytes, locks, descriptors, threads, memory. Method:
// rounds of random loads on runtimes of 1 to 4 workers. Each load keeps books that must balance,
// and the process is looked at after each round. A hang is found by a watchdog.

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "soak/leak_watch.h"
#include "soak/round.h"
#include "support/seed.h"
#include "support/watchdog.h"

namespace {

using namespace std::chrono_literals;
using soak::Counts;
using support::Clock;

constexpr auto kPatience = 60s;  // more than ten times what a round takes
constexpr auto kReportEvery = 5s;

struct Arguments {
  std::chrono::seconds time{20};
  std::uint64_t rounds = UINT64_MAX;
};

/// Exits with a message if they make no sense.
Arguments read_arguments(int count, char** words) {
  Arguments arguments;
  for (int i = 1; i < count; i += 2) {
    const std::string_view option = words[i];
    const unsigned long long value = i + 1 < count ? std::strtoull(words[i + 1], nullptr, 10) : 0;
    if (value > 0 && option == "--seconds") {
      arguments.time = std::chrono::seconds(value);
    } else if (value > 0 && option == "--rounds") {
      arguments.rounds = value;
    } else {
      std::fprintf(stderr,
                   "usage: soak [--seconds N] [--rounds N]; WEFT_SEED=N begins at a round\n");
      std::exit(2);
    }
  }
  return arguments;
}

/// The round that runs, for the watchdog to look at.
class Stage {
 public:
  void show(const soak::Round* round) {
    const std::lock_guard lock(mutex_);
    round_ = round;
  }
  std::string describe() {
    const std::lock_guard lock(mutex_);
    return round_ != nullptr ? round_->describe() : "between two rounds";
  }

 private:
  std::mutex mutex_;
  const soak::Round* round_ = nullptr;  // under mutex_
};

/// What all rounds did, by load.
class Totals {
 public:
  void add(const soak::Round& round) {
    for (const auto& part : round.parts()) {
      Row& row = rows_[part.load.name];
      ++row.runs;
      const Counts counts = part.ledger.counts();
      for (std::size_t i = 0; i < counts.size(); ++i) {
        row.counts[i] += counts[i];
        sum_[i] += counts[i];
      }
    }
  }
  std::uint64_t of(soak::Book book) const { return sum_[static_cast<std::size_t>(book)]; }
  void print() const {
    std::printf("\n%-14s %7s", "load", "runs");
    for (const char* book : soak::kBookNames) std::printf(" %12s", book);
    std::printf("\n");
    for (const auto& [name, row] : rows_) print_row(name.c_str(), row);
    Row all{0, sum_};
    for (const auto& [name, row] : rows_) all.runs += row.runs;
    print_row("all", all);
  }

 private:
  struct Row {
    std::uint64_t runs = 0;
    Counts counts{};
  };
  static void print_row(const char* name, const Row& row) {
    std::printf("%-14s %7llu", name, static_cast<unsigned long long>(row.runs));
    for (const std::uint64_t count : row.counts) {
      std::printf(" %12llu", static_cast<unsigned long long>(count));
    }
    std::printf("\n");
  }

  std::map<std::string, Row> rows_;
  Counts sum_{};
};

bool report(const std::vector<std::string>& problems) {
  for (const std::string& problem : problems) std::printf("DOES NOT ADD UP  %s\n", problem.c_str());
  return problems.empty();
}

bool run_round(std::uint64_t seed, Stage& stage, soak::LeakWatch& leaks, Totals& totals) {
  bool balanced = false;
  {
    soak::Round round(seed);
    stage.show(&round);
    round.run();
    balanced = report(round.problems());
    if (!balanced) std::printf("in the round of %s\n", round.describe().c_str());
    totals.add(round);
    stage.show(nullptr);
  }
  return report(leaks.look()) && balanced;
}

}  // namespace

int main(int count, char** words) {
  const Arguments arguments = read_arguments(count, words);
  const std::uint64_t first_seed = support::seed();
  Stage stage;
  support::Watchdog watchdog("the soak", kPatience, [&stage] { return stage.describe(); });
  soak::LeakWatch leaks;
  Totals totals;

  const Clock::time_point begun = Clock::now();
  Clock::time_point next_report = begun + kReportEvery;
  std::uint64_t rounds = 0, failed = 0;
  while (failed == 0 && rounds < arguments.rounds && Clock::now() < begun + arguments.time) {
    const std::uint64_t seed = first_seed + rounds++;
    if (!run_round(seed, stage, leaks, totals)) {
      ++failed;
      std::printf("replay with WEFT_SEED=%llu and --rounds 1\n",
                  static_cast<unsigned long long>(seed));
    }
    watchdog.progress();
    if (Clock::now() < next_report) continue;
    next_report = Clock::now() + kReportEvery;
    std::printf(
        "%6.0f s  round %llu  seed %llu  tasks %llu  errors %llu  connections %llu  MiB %llu\n",
        std::chrono::duration<double>(Clock::now() - begun).count(),
        static_cast<unsigned long long>(rounds), static_cast<unsigned long long>(seed),
        static_cast<unsigned long long>(totals.of(soak::Book::kTasks)),
        static_cast<unsigned long long>(totals.of(soak::Book::kErrors)),
        static_cast<unsigned long long>(totals.of(soak::Book::kConnections)),
        static_cast<unsigned long long>(totals.of(soak::Book::kBytes) >> 20));
    std::fflush(stdout);
  }
  totals.print();
  std::printf("%s\n", leaks.summary().c_str());
  std::uint64_t grown = 0;
  if (!report(leaks.growth())) grown = 1;
  std::printf("\n%llu passed, %llu failed, 0 skipped\n",
              static_cast<unsigned long long>(rounds - failed),
              static_cast<unsigned long long>(failed + grown));
  return failed + grown == 0 ? 0 : 1;
}
