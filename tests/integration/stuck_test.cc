// Goal: with Options::debug, a program in which every task waits and nothing can wake them says so,
// with what each waits for; one that only rests does not. Method: tasks that wait for one another,
// freed by a plain thread once the report has been seen.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>
#include <weft/weft.h>

#include <array>
#include <chrono>
#include <mutex>
#include <string>
#include <thread>

#include "support/build_kind.h"
#include "support/stderr_watch.h"

namespace {

using namespace std::chrono_literals;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kHeadline = "every task waits";

class Stuck : public testing::Test {
 protected:
  void SetUp() override {
    if (support::kChaos) GTEST_SKIP() << "under chaos workers wake for nothing, and none rests";
  }
};

TEST_F(Stuck, TellsWhatEachTaskWaitsFor) {
  support::StderrWatch report;
  weft::Event free;
  std::thread rescuer([&] {
    EXPECT_TRUE(report.says(kHeadline));
    free.set();
  });
  weft::run(weft::Options{.debug = true}, [&] {
    weft::Mutex mutex;
    weft::Channel<int> channel;
    weft::Semaphore none(0);
    weft::Event held;
    const weft::Task<void> sleeper =
        weft::spawn({.name = "sleeper"}, [] { weft::sleep_for(std::chrono::hours::max()); });
    sleeper.add_done_callback([](const weft::Task<void>&) {});
    weft::task_group([&](weft::TaskGroup& group) {
      group.spawn({.name = "holder"}, [&] {
        const std::lock_guard lock(mutex);
        held.set();
        free.wait();
      });
      group.spawn({.name = "locker"}, [&] {
        held.wait();
        const std::lock_guard lock(mutex);
        channel.send(1);
        none.release();
      });
      group.spawn({.name = "receiver"}, [&] { channel.receive(); });
      group.spawn({.name = "taker"}, [&] { none.acquire(); });
    });
    sleeper.cancel();
  });
  rescuer.join();
  const std::string text = report.finish();
  EXPECT_THAT(text, ContainsRegex("main, spawned at [^\n]*, waits for the end of several tasks"));
  EXPECT_THAT(text, ContainsRegex("holder, spawned at [^\n]*stuck_test.cc:[0-9]+ in [^\n]*, waits "
                                  "for an event"));
  EXPECT_THAT(text, ContainsRegex("locker, spawned at [^\n]*, waits for a mutex"));
  EXPECT_THAT(text, ContainsRegex("receiver, spawned at [^\n]*, waits for a channel"));
  EXPECT_THAT(text, ContainsRegex("taker, spawned at [^\n]*, waits for a semaphore"));
  EXPECT_THAT(text, ContainsRegex("sleeper, spawned at [^\n]*, waits for the end of a sleep"));
  EXPECT_THAT(text, Not(HasSubstr("something"))) << "a callback that sleeps is no task";
}

TEST_F(Stuck, IsSaidOnceAndOnlyWhenAsked) {
  for (const bool debug : {true, false}) {
    support::StderrWatch report;
    weft::Event first;
    weft::Event second;
    std::thread rescuer([&] {
      EXPECT_TRUE(!debug || report.says(kHeadline));
      first.set();
      std::this_thread::sleep_for(1500ms);
      second.set();
    });
    weft::run(weft::Options{.debug = debug}, [&] {
      first.wait();
      second.wait();
    });
    rescuer.join();
    const std::string text = report.finish();
    const std::size_t found = text.find(kHeadline);
    EXPECT_EQ(found != std::string::npos, debug) << text;
    const std::size_t again = debug ? text.find(kHeadline, found + 1) : found;
    EXPECT_EQ(again, std::string::npos) << text;
  }
}

// Each of these is enough to wake a task some day.
TEST_F(Stuck, IsNotWhoWaitsForTimeOrForTheWorld) {
  support::StderrWatch report;
  // On a busy machine any fiber may keep its worker for a while, which is another report.
  const weft::Options debug{.debug = true, .slow_fiber = std::chrono::hours(1)};
  std::array<std::thread, 4> programs = {
      std::thread([&] {
        weft::run(debug, [] {
          weft::Signals signals{SIGUSR2};
          std::thread sender([] {
            std::this_thread::sleep_for(1500ms);
            ::kill(::getpid(), SIGUSR2);
          });
          EXPECT_EQ(signals.wait(), SIGUSR2);
          sender.join();
        });
      }),
      std::thread([&] { weft::run(debug, [] { weft::sleep_for(1500ms); }); }),
      std::thread([&] {
        weft::run(debug, [] { weft::to_thread([] { std::this_thread::sleep_for(1500ms); }); });
      }),
      std::thread([&] {
        weft::run(debug, [] {
          auto listener = weft::TcpListener::bind("127.0.0.1", 0);
          const weft::SocketAddress address = listener.local_address();
          std::thread client([&] {
            std::this_thread::sleep_for(1500ms);
            weft::run([&] { weft::TcpStream::connect(address); });
          });
          listener.accept();
          client.join();
        });
      }),
  };
  for (std::thread& program : programs) program.join();
  EXPECT_EQ(report.finish(), "");
}

}  // namespace
