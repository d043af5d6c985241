// Goal: a fiber that computes for long holds up nobody else. What its worker has begun for others,
// of whatever kind, another worker takes over, be it asleep or busy, and however many compute.
// Method: fibers begin to wait on a worker that no other can help, as all compute; then one is let
// go, and the rest compute until all who wait have been served. So nothing depends on how fast the
// machine is but how late they were, of which the median counts.

#include <weft/async_fd.h>
#include <weft/owned_fd.h>
#include <weft/unix.h>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "support/process_state.h"
#include "support/task_steps.h"
#include "support/tcp.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using namespace support;

constexpr int kRounds = 3;
constexpr unsigned kWaitsEach = 4;  // on each worker that computes
constexpr std::chrono::seconds kFarTooLong{10};
// The monitor looks every 10 ms, but a busy machine has others to run, and those that compute.
constexpr std::chrono::seconds kUsual{3};

// Without a call of the kernel, which would finish there what the worker has begun.
template <class Condition>
bool compute_until(Condition condition) {
  const Clock::time_point give_up = Clock::now() + kFarTooLong;
  while (!condition()) {
    if (Clock::now() > give_up) return false;
  }
  return true;
}

// ---- What is waited for. The peer is a plain thread.

class Wait {
 public:
  Wait() = default;
  Wait(const Wait&) = delete;
  Wait& operator=(const Wait&) = delete;
  virtual ~Wait() = default;
  /// In a fiber.
  virtual void wait() = 0;
  /// The peer's part, of which finish() may need to wait for the fiber's.
  virtual void begin() = 0;
  virtual void finish() {}
};

// Blocks the thread, although the descriptor does not.
std::size_t receive(int fd, std::string& into) {
  pollfd readable{fd, POLLIN, 0};
  EXPECT_EQ(::poll(&readable, 1, -1), 1);
  const ssize_t got = ::recv(fd, into.data(), into.size(), 0);
  EXPECT_GT(got, 0);
  return got > 0 ? static_cast<std::size_t>(got) : into.size();
}

class Request : public Wait {
 public:
  void wait() override {
    std::string text(4, '?');
    ends_.server.read_exactly(bytes_of(text));
    ends_.server.write_all(text);
  }
  void begin() override { EXPECT_EQ(::send(ends_.client.native_handle(), "ping", 4, 0), 4); }
  void finish() override {
    std::string text(4, '?');
    receive(ends_.client.native_handle(), text);
    EXPECT_EQ(text, "ping");
  }

 private:
  Connected ends_ = connect_pair();
};

class RoomToWrite : public Wait {
 public:
  void wait() override { std::get<0>(ends_).write_all(much_); }
  void begin() override {
    left_ -= std::min(left_, receive(std::get<1>(ends_).native_handle(), part_));
  }
  void finish() override {
    while (left_ > 0) begin();
  }

 private:
  std::pair<UnixStream, UnixStream> ends_ = UnixStream::pair();
  const std::string much_ = std::string(400'000, 'm');
  std::string part_ = std::string(std::size_t{1} << 18, '?');
  std::size_t left_ = much_.size();
};

class Connection : public Wait {
 public:
  void wait() override { listener_.accept(); }
  void begin() override {
    const OwnedFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::connect(client.get(), address_.data(), address_.size()), 0);
  }

 private:
  TcpListener listener_ = TcpListener::bind("127.0.0.1", 0);
  const SocketAddress address_ = listener_.local_address();
};

// A descriptor of somebody else.
class Foreign : public Wait {
 public:
  Foreign() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK), 0);
    theirs_ = OwnedFd(ends[0]), peer_ = OwnedFd(ends[1]);
    waits_ = AsyncFd(theirs_.get());
  }
  void wait() override { waits_.wait_readable(); }
  void begin() override { EXPECT_EQ(::write(peer_.get(), "x", 1), 1); }

 private:
  OwnedFd theirs_, peer_;
  AsyncFd waits_;
};

struct Kind {
  const char* name;
  std::unique_ptr<Wait> (*make)();
};

template <class T>
constexpr Kind kind(const char* name) {
  return {name, [] { return std::unique_ptr<Wait>(std::make_unique<T>()); }};
}

// ---- A round.

enum class Others { kSleep, kAreBusy };

class Round {
 public:
  Round(const Kind& kind, Others others, bool hand_over)
      : workers_(metrics().workers), others_(others), hand_over_(hand_over) {
    for (unsigned i = 0; i < kWaitsEach * (workers_ - 1); ++i) waits_.push_back(kind.make());
  }

  /// How long it took until all were served.
  Clock::duration run() {
    Clock::duration late{};
    std::thread peer([&] { late = serve_all(); });
    std::vector<std::function<void()>> fibers(workers_ - 1, [this] { compute(); });
    fibers.emplace_back([this] { be_of_help(); });
    gather(fibers);
    peer.join();
    return late;
  }

 private:
  // Since none suspends, each has a worker of its own then.
  void meet() {
    ++met_;
    EXPECT_TRUE(compute_until([&] { return met_ == workers_; })) << "some have no worker";
  }

  // One after the other they give their worker to those who are to wait there.
  void compute() {
    const unsigned number = next_++;
    meet();
    compute_until([&] { return begun_ == number; });
    const int here = thread_id();
    Arrivals arrived(kWaitsEach);
    std::vector<Task<void>> tasks;
    for (unsigned i = 0; i < kWaitsEach; ++i) {
      tasks.push_back(spawn([this, here, &arrived, &wait = *waits_[number * kWaitsEach + i]] {
        EXPECT_EQ(thread_id(), here);
        arrived.arrive();
        wait.wait();
        ++served_;
      }));
    }
    arrived.wait();
    if (hand_over_) sleep_for(1ms);
    EXPECT_EQ(thread_id(), here);
    ++begun_;
    EXPECT_TRUE(compute_until([&] { return all_served(); })) << "nobody came to help";
    gather(tasks);
  }

  void be_of_help() {
    meet();
    compute_until([&] { return begun_ == workers_ - 1; });
    all_wait_ = true;
    while (others_ == Others::kAreBusy && !all_served()) yield();
  }

  // By the peer's thread.
  Clock::duration serve_all() {
    while (!all_wait_) std::this_thread::sleep_for(100us);
    std::this_thread::sleep_for(2ms);  // by then whoever has nothing to do sleeps
    const Clock::time_point start = Clock::now();
    for (auto& wait : waits_) wait->begin();
    for (auto& wait : waits_) wait->finish();
    while (!all_served()) std::this_thread::sleep_for(100us);
    return Clock::now() - start;
  }

  bool all_served() const { return served_ == waits_.size(); }

  const unsigned workers_;
  const Others others_;
  const bool hand_over_;
  std::vector<std::unique_ptr<Wait>> waits_;
  std::atomic<unsigned> next_{0}, met_{0}, begun_{0};
  std::atomic<std::size_t> served_{0};
  std::atomic<bool> all_wait_{false};
};

void expect_soon(const std::function<Clock::duration(int round)>& run_round) {
  run([&] {
    ASSERT_GE(metrics().workers, 2U) << "with one worker there is nobody to take over";
    std::array<Clock::duration, kRounds> late{};
    for (int round = 0; round < kRounds && !testing::Test::HasFailure(); ++round) {
      late[round] = run_round(round);
    }
    std::sort(late.begin(), late.end());
    EXPECT_LT(late[kRounds / 2], kUsual);
    EXPECT_LT(late[kRounds - 1], kFarTooLong);
  });
}

class Rescue : public testing::TestWithParam<std::tuple<Kind, Others>> {};

INSTANTIATE_TEST_SUITE_P(
    Waits, Rescue,
    testing::Combine(testing::Values(kind<Request>("Request"), kind<RoomToWrite>("RoomToWrite"),
                                     kind<Connection>("Connection"), kind<Foreign>("Foreign")),
                     testing::Values(Others::kSleep, Others::kAreBusy)),
    [](const auto& test) {
      return std::string(std::get<0>(test.param).name) + (std::get<1>(test.param) == Others::kSleep
                                                              ? "WhereTheOtherSleeps"
                                                              : "WhereTheOtherIsBusy");
    });

// In every other round what has begun is with the kernel before the worker computes, and in the
// rest it may still be queued.
TEST_P(Rescue, OfAllThatComputeReachesEachWait) {
  const auto& [kind, others] = GetParam();
  expect_soon([&kind = kind, &others = others](int round) {
    return Round(kind, others, round % 2 == 0).run();
  });
}

// ---- A server whose workers have gone to sleep, where one watches the driver for the other.

class EchoServer {
 public:
  static constexpr std::size_t kConnections = 12;

  EchoServer() {
    for (Connected& each : connections_) {
      each = connect_pair();
      fibers_.push_back(spawn([this, &server = each.server] { echo(server); }));
    }
  }

  void wait_for_end() { gather(fibers_); }

  // The rest is for a plain thread.

  /// After a pause, has one compute for as long as the others are asked. How long those took for
  /// an answer.
  Clock::duration ask_beside(std::size_t busy, std::chrono::milliseconds pause) {
    ask_all_but(kConnections);
    std::this_thread::sleep_for(pause);
    say(busy, "c");
    while (!computing_) std::this_thread::sleep_for(100us);
    const Clock::time_point start = Clock::now();
    for (int i = 0; i < 3; ++i) ask_all_but(busy);
    const Clock::duration took = Clock::now() - start;
    answered_ = true;
    hear(busy);
    for (Connected& each : connections_) ::shutdown(each.client.native_handle(), SHUT_WR);
    return took;
  }

 private:
  void echo(TcpStream& stream) {
    std::string word(1, '?');
    while (stream.read_some(bytes_of(word)) == 1) {
      if (word == "c") {
        computing_ = true;
        EXPECT_TRUE(compute_until([&] { return answered_.load(); })) << "the others had to wait";
      }
      stream.write_all(word);
    }
  }

  void say(std::size_t number, const char* word) {
    EXPECT_EQ(::send(connections_[number].client.native_handle(), word, 1, 0), 1);
  }
  void hear(std::size_t number) {
    std::string word(1, '?');
    receive(connections_[number].client.native_handle(), word);
  }
  void ask_all_but(std::size_t one) {
    for (std::size_t i = 0; i < kConnections; ++i) {
      if (i != one) say(i, "x");
    }
    for (std::size_t i = 0; i < kConnections; ++i) {
      if (i != one) hear(i);
    }
  }

  std::array<Connected, kConnections> connections_;
  std::vector<Task<void>> fibers_;
  std::atomic<bool> computing_{false}, answered_{false};
};

// A worker that sleeps wakes after 100 ms once more, to give memory back, and then no more by
// itself.
TEST(RescueOfAServer, AnswersTheRestWhileOneRequestIsComputed) {
  expect_soon([](int round) {
    EchoServer server;
    Clock::duration took{};
    std::thread peer([&] {
      took = server.ask_beside(static_cast<std::size_t>(round), round == 0 ? 300ms : 2ms);
    });
    server.wait_for_end();
    peer.join();
    return took;
  });
}

// From one place in the program, which has taught the worker that nobody comes in time for what is
// spawned there.
TEST(Rescue, WhatIsSpawnedAndTakesLongIsSharedAlthoughItNeverDid) {
  run(Options{.workers = 2}, [] {
    const auto run_all = [](int count, const std::function<void()>& work) {
      std::vector<Task<std::thread::id>> tasks;
      for (int i = 0; i < count; ++i) {
        tasks.push_back(spawn([&work] {
          work();
          return std::this_thread::get_id();
        }));
      }
      std::set<std::thread::id> threads;
      for (auto& task : tasks) threads.insert(task.get());
      return threads.size();
    };
    for (int i = 0; i < 2'000; ++i) run_all(4, [] {});
    const auto compute = [] {
      const Clock::time_point start = Clock::now();
      while (Clock::now() - start < 10ms) {
      }
    };
    EXPECT_EQ(run_all(50, compute), 2u);
  });
}

}  // namespace
}  // namespace weft
