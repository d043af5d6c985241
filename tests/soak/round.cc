#include "soak/round.h"

#include "support/eventually.h"

namespace soak {

namespace {

constexpr int kLeastParts = 4;

weft::Options some_options(Random& random) {
  constexpr std::size_t kStackSizes[] = {0, std::size_t{128} << 10, std::size_t{1} << 20};
  weft::Options options;
  options.workers = 1u + static_cast<unsigned>(random.below(4));
  options.fifo = random.one_in(4);
  options.blocking_threads = 1u + static_cast<unsigned>(random.below(8));
  options.stack_size = kStackSizes[random.below(3)];
  return options;
}

std::string text_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& exception) {
    return exception.what();
  } catch (const weft::Cancelled& cancelled) {
    return cancelled.what();
  } catch (...) {
    return "something unknown";
  }
}

}  // namespace

Round::Round(std::uint64_t seed) : seed_(seed) {
  Random random(seed, 0);
  options_ = some_options(random);
  options_.on_lost_exception = [this](const weft::LostException& lost) {
    try {
      std::rethrow_exception(lost.exception);
    } catch (const Failure& failure) {
      failure.seen();
    } catch (...) {
      common_.wrong("lost: " + text_of(std::current_exception()));
    }
  };
  while (parts_.size() < kLeastParts) {
    for (const Load& load : all_loads()) {
      if (!random.one_in(3)) continue;
      for (int copies = 1 + random.below(load.most_copies); copies > 0; --copies) {
        parts_.emplace_back(load, random.split());
      }
    }
  }
}

void Round::run() {
  {
    weft::Runtime runtime(options_);
    phase_ = "running";
    runtime.run([&] {
      std::vector<weft::Task<void>> tasks;
      for (Part& part : parts_) {
        tasks.push_back(start(common_, [&] { run_part(part, runtime); }));
      }
      for (auto& task : tasks) see(common_, task);
    });
    phase_ = "comparing";
    compare_with_metrics(runtime);
    phase_ = "ending the runtime";
  }
  phase_ = "over";
}

void Round::run_part(Part& part, weft::Runtime& runtime) {
  try {
    Scene scene{part.ledger, runtime, part.random};
    part.load.run(scene);
  } catch (...) {
    part.ledger.wrong("leaves with: " + text_of(std::current_exception()));
  }
  part.over = true;
}

/// The runtime counts its tasks too: those that still live are the ones that we know of. Tasks of
/// other runtimes are over by then.
void Round::compare_with_metrics(const weft::Runtime& runtime) {
  std::uint64_t ours = 0, theirs = 0;
  const bool agree = support::eventually([&] {
    const weft::Metrics metrics = runtime.metrics();
    theirs = metrics.tasks_started - metrics.tasks_ended;
    ours = common_.open(Book::kTasks);
    for (const Part& part : parts_) ours += part.ledger.open(Book::kTasks);
    return ours == theirs;
  });
  if (!agree) {
    common_.wrong("tasks alive: " + std::to_string(ours) + ", but by the metrics " +
                  std::to_string(theirs));
  }
}

std::vector<std::string> Round::problems() const {
  std::vector<std::string> all;
  const auto add = [&all](const char* name, const Ledger& ledger) {
    for (const std::string& problem : ledger.problems()) {
      all.push_back(std::string(name) + ": " + problem);
    }
  };
  add("round", common_);
  for (const Part& part : parts_) add(part.load.name, part.ledger);
  return all;
}

std::string Round::describe() const {
  std::string text = "WEFT_SEED=" + std::to_string(seed_) + ", " +
                     std::to_string(options_.workers) + " workers" +
                     (options_.fifo ? ", fifo, " : ", ") + phase_.load();
  for (const Part& part : parts_) {
    std::string open;
    for (std::size_t i = 0; i < kBooks; ++i) {
      const std::uint64_t count = part.ledger.open(static_cast<Book>(i));
      if (count != 0) open += " " + std::to_string(count) + " " + kBookNames[i];
    }
    if (part.over && open.empty()) continue;
    text += std::string("\n  ") + part.load.name + (part.over ? " (has returned)" : "") +
            ", open:" + (open.empty() ? " nothing" : open);
  }
  return text;
}

}  // namespace soak
