// Goal: whatever fibers do to channels, by themselves or in a select, it is something that Go's
// rules allow. Method: random small programs. A reference plays each of them in every order, one
// operation at a time, and collects all the outcomes there are; then the program runs for real,
// many times, and each outcome must be one of those.

#include <gtest/gtest.h>
#include <weft/weft.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <iterator>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "support/build_kind.h"
#include "support/seed.h"

namespace {

using support::Random;

constexpr std::size_t kChannels = 2;
constexpr int kNothing = -1;  // the channel is closed and empty, or there is no item in it
constexpr int kRefused = -2;  // a send met a closed channel

enum class Kind : char { kSend = '<', kReceive = '>', kNever = '-' };

struct Case {
  Kind kind = Kind::kNever;
  std::size_t channel = 0;
  int item = 0;
};

/// One call of select(), or a close().
struct Operation {
  std::array<Case, 3> cases;
  bool otherwise = false;
  bool closes = false;
  std::size_t channel = 0;  // which it closes
};

using Fiber = std::vector<Operation>;

struct Program {
  std::array<std::size_t, kChannels> capacity{};
  std::vector<Fiber> fibers;
};

/// Of each operation: which case was chosen (3: the default), and what it received.
struct Result {
  int chosen = 0;
  int item = 0;
  auto operator<=>(const Result&) const =
      default;  // NOLINT(modernize-use-nullptr): nothing is null
};
using Outcome = std::vector<std::vector<Result>>;  // by fiber

Program some_program(Random& random) {
  Program program;
  for (std::size_t& capacity : program.capacity) capacity = random.one_in(2) ? 1 : 0;
  int next_item = 0;
  for (int fiber = 0; fiber < 3; ++fiber) {
    Fiber& operations = program.fibers.emplace_back(random.one_in(2) ? 1 : 2);
    for (Operation& operation : operations) {
      const std::size_t count = random.one_in(3) ? 1 : random.one_in(2) ? 2 : 3;
      for (std::size_t i = 0; i < count; ++i) {
        const Kind kind = random.one_in(2) ? Kind::kSend : Kind::kReceive;
        operation.cases[i] = {kind, random.one_in(2) ? std::size_t{1} : 0, next_item++};
      }
      operation.otherwise = random.one_in(5);
    }
  }
  // So that each program comes to an end.
  Fiber& closer = program.fibers.emplace_back(kChannels);
  for (std::size_t channel = 0; channel < kChannels; ++channel) {
    closer[channel].closes = true;
    closer[channel].channel = channel;
  }
  return program;
}

std::string text(const Program& program) {
  std::ostringstream out;
  out << "capacities " << program.capacity[0] << ", " << program.capacity[1] << '\n';
  for (const Fiber& fiber : program.fibers) {
    for (const Operation& operation : fiber) {
      if (operation.closes) {
        out << "  close " << operation.channel << ';';
        continue;
      }
      out << "  [";
      for (const Case& one : operation.cases) {
        if (one.kind == Kind::kNever) continue;
        out << ' ' << one.channel << static_cast<char>(one.kind);
        if (one.kind == Kind::kSend) out << one.item;
      }
      out << (operation.otherwise ? " otherwise ];" : " ];");
    }
    out << '\n';
  }
  return out.str();
}

std::string text(const Outcome& outcome) {
  std::ostringstream out;
  for (const auto& results : outcome) {
    for (const Result& result : results) out << "  case " << result.chosen << ": " << result.item;
    out << '\n';
  }
  return out.str();
}

// ---- The reference.

struct State {
  std::array<std::deque<int>, kChannels> buffer;
  std::array<bool, kChannels> closed{};
  std::vector<std::size_t> waiting;  // fibers, in the order in which they began to
  std::vector<std::size_t> to_tell;  // of them, that a channel was closed; before close() returns
  Outcome outcome;                   // of operations that are done
  auto operator<=>(const State&) const = default;  // NOLINT(modernize-use-nullptr)
};

class Reference {
 public:
  explicit Reference(const Program& program) : program_(program) {
    State start;
    start.outcome.resize(program.fibers.size());
    go_on(start);
  }
  const std::set<Outcome>& outcomes() const { return outcomes_; }

 private:
  const Operation& operation(const State& state, std::size_t fiber) const {
    return program_.fibers[fiber][state.outcome[fiber].size()];
  }
  static bool waits(const State& state, std::size_t fiber) {
    return std::find(state.waiting.begin(), state.waiting.end(), fiber) != state.waiting.end();
  }

  void go_on(const State& state) {
    if (!seen_.insert(state).second) return;
    bool over = true;
    for (std::size_t fiber = 0; fiber < program_.fibers.size(); ++fiber) {
      if (state.outcome[fiber].size() == program_.fibers[fiber].size()) continue;
      over = false;
      if (!waits(state, fiber)) step(state, fiber);
    }
    if (over) outcomes_.insert(state.outcome);
  }

  void step(const State& state, std::size_t fiber) {
    const Operation& what = operation(state, fiber);
    State next = state;
    if (what.closes) {
      close(next, fiber, what.channel);
      return;
    }
    bool ready = false;
    for (std::size_t i = 0; i < what.cases.size(); ++i) {
      State done = state;
      if (!attempt(done, fiber, i)) continue;
      ready = true;
      go_on(done);
    }
    if (ready) return;
    if (what.otherwise) {
      next.outcome[fiber].push_back({3, 0});
    } else {
      next.waiting.push_back(fiber);
    }
    go_on(next);
  }

  // Whoever waits at the channel is told one after the other. Until then a select may still be
  // served at its other channels, although others know that this one is closed.
  void close(State& next, std::size_t closer, std::size_t channel) {
    if (!next.closed[channel]) {
      next.closed[channel] = true;
      std::copy_if(next.waiting.begin(), next.waiting.end(), std::back_inserter(next.to_tell),
                   [&](std::size_t waiter) { return at(next, waiter, channel); });
    } else if (!next.to_tell.empty()) {
      std::erase(next.waiting, next.to_tell.front());
      next.to_tell.erase(next.to_tell.begin());
    }
    // Who has been served meanwhile is not told, and may wait again, elsewhere.
    if (next.to_tell.empty()) next.outcome[closer].push_back({});
    go_on(next);
  }

  // Whether the fiber waits at that channel.
  bool at(const State& state, std::size_t waiter, std::size_t channel) const {
    const auto& cases = operation(state, waiter).cases;
    return std::any_of(cases.begin(), cases.end(), [&](const Case& one) {
      return one.kind != Kind::kNever && one.channel == channel;
    });
  }

  bool attempt(State& state, std::size_t fiber, std::size_t index) const {
    const Case& one = operation(state, fiber).cases[index];
    std::deque<int>& buffer = state.buffer[one.channel];
    const auto finish = [&](int item) {
      state.outcome[fiber].push_back({static_cast<int>(index), item});
      return true;
    };
    if (one.kind == Kind::kNever) return false;
    if (one.kind == Kind::kSend) {
      if (state.closed[one.channel]) return finish(kRefused);
      if (serve_first(state, Kind::kReceive, one.channel, one.item)) return finish(0);
      if (buffer.size() == program_.capacity[one.channel]) return false;
      buffer.push_back(one.item);
      return finish(0);
    }
    if (!buffer.empty()) {
      const int item = buffer.front();
      buffer.pop_front();
      if (const auto more = serve_first(state, Kind::kSend, one.channel, 0))
        buffer.push_back(*more);
      return finish(item);
    }
    if (const auto item = serve_first(state, Kind::kSend, one.channel, 0)) return finish(*item);
    return state.closed[one.channel] && finish(kNothing);
  }

  // Who has waited longest for that; returns the item that it sent.
  std::optional<int> serve_first(State& state, Kind kind, std::size_t channel, int item) const {
    if (state.closed[channel]) return std::nullopt;  // its lists are empty
    for (const std::size_t fiber : state.waiting) {
      const auto& cases = operation(state, fiber).cases;
      for (std::size_t i = 0; i < cases.size(); ++i) {
        if (cases[i].kind != kind || cases[i].channel != channel) continue;
        const int sent = cases[i].item;
        state.outcome[fiber].push_back({static_cast<int>(i), kind == Kind::kSend ? 0 : item});
        std::erase(state.waiting, fiber);
        std::erase(state.to_tell, fiber);
        return sent;
      }
    }
    return std::nullopt;
  }

  const Program& program_;
  std::set<State> seen_;
  std::set<Outcome> outcomes_;
};

// ---- The real thing.

using Channels = std::array<std::unique_ptr<weft::Channel<int>>, kChannels>;

Result run_select(Channels& channels, const Operation& what) {
  Result result;
  // A case of each kind for each place; those that the program has not are switched off.
  const auto receive = [&](std::size_t i) {
    return weft::receive_from(
               *channels[what.cases[i].channel],
               [&](std::optional<int> item) { result.item = item.value_or(kNothing); })
        .when(what.cases[i].kind == Kind::kReceive);
  };
  const auto send = [&](std::size_t i) {
    return weft::send_to(*channels[what.cases[i].channel], what.cases[i].item)
        .when(what.cases[i].kind == Kind::kSend);
  };
  const auto choose = [&](auto&&... last) {
    return weft::select(receive(0), send(0), receive(1), send(1), receive(2), send(2),
                        std::forward<decltype(last)>(last)...);
  };
  result.chosen = static_cast<int>((what.otherwise ? choose(weft::otherwise()) : choose()) / 2);
  return result;
}

// A plain call, where there is one that does the same.
Result run_plain(Channels& channels, const Operation& what) {
  weft::Channel<int>& channel = *channels[what.cases[0].channel];
  if (what.cases[0].kind == Kind::kSend) {
    channel.send(what.cases[0].item);
    return {};
  }
  return {0, channel.receive().value_or(kNothing)};
}

Result run(Channels& channels, const Operation& what) {
  if (what.closes) {
    channels[what.channel]->close();
    return {};
  }
  const bool is_single = what.cases[1].kind == Kind::kNever;
  return is_single && !what.otherwise ? run_plain(channels, what) : run_select(channels, what);
}

// Which case it was that threw is not said: only cases that send to a closed channel can be meant.
bool same(const Outcome& real, const Outcome& allowed) {
  for (std::size_t fiber = 0; fiber < real.size(); ++fiber) {
    for (std::size_t i = 0; i < real[fiber].size(); ++i) {
      const Result& left = real[fiber][i];
      const Result& right = allowed[fiber][i];
      if (left.item != right.item || (left.item != kRefused && left != right)) return false;
    }
  }
  return true;
}

Outcome run(const Program& program, std::uint64_t stream) {
  Channels channels;
  for (std::size_t i = 0; i < kChannels; ++i) {
    channels[i] = std::make_unique<weft::Channel<int>>(program.capacity[i]);
  }
  Outcome outcome(program.fibers.size());
  weft::task_group([&](weft::TaskGroup& group) {
    for (std::size_t fiber = 0; fiber < program.fibers.size(); ++fiber) {
      group.spawn([&, fiber] {
        Random random(stream * 8 + fiber);
        for (const Operation& what : program.fibers[fiber]) {
          for (int turns = random.below(what.closes ? 6 : 3); turns > 0; --turns) {
            weft::yield();
          }
          try {
            outcome[fiber].push_back(run(channels, what));
          } catch (const weft::ChannelClosed&) {
            outcome[fiber].push_back({0, kRefused});
          }
        }
      });
    }
  });
  return outcome;
}

TEST(SelectReference, WhatChannelsDoIsWhatTheRulesAllow) {
  const int programs = support::kSanitized ? 60 : 300;
  std::size_t allowed_in_all = 0, seen_in_all = 0;
  weft::run([&] {
    for (int number = 0; number < programs; ++number) {
      Random random(static_cast<std::uint64_t>(number));
      const Program program = some_program(random);
      const Reference reference(program);
      allowed_in_all += reference.outcomes().size();
      std::set<Outcome> seen;
      for (std::uint64_t turn = 0; turn < 40; ++turn) {
        const Outcome outcome =
            run(program, static_cast<std::uint64_t>(number) * 100 + turn + 1000);
        const bool allowed = std::any_of(reference.outcomes().begin(), reference.outcomes().end(),
                                         [&](const Outcome& one) { return same(outcome, one); });
        ASSERT_TRUE(allowed) << "program " << number << ":\n"
                             << text(program) << "came to what no order allows:\n"
                             << text(outcome);
        seen.insert(outcome);
      }
      seen_in_all += seen.size();
    }
  });
  std::printf("%d programs, %zu outcomes allowed, %zu of them seen\n", programs, allowed_in_all,
              seen_in_all);
  EXPECT_GT(seen_in_all, static_cast<std::size_t>(programs) * 2) << "too few to say anything";
}

}  // namespace
