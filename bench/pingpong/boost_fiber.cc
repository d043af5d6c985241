// Two fibers hand a value to each other over unbuffered channels, there and back. Idle threads
// sleep: if they look for work, they keep the CPU from the thread that they wait for whenever the
// machine has something else to do, too, and a round trip takes a third of a millisecond.

#include <cstdint>
#include <cstdio>

#include <boost/fiber/all.hpp>

#include "support/boost_fibers.h"
#include "support/check.h"
#include "support/clock.h"

namespace {

constexpr std::int64_t kRoundTrips = 200'000;

using Channel = boost::fibers::unbuffered_channel<std::int64_t>;
using boost::fibers::channel_op_status;

void answer(Channel& ping, Channel& pong) {
  for (std::int64_t value = 0; ping.pop(value) == channel_op_status::success;) {
    pong.push(value + 1);
  }
  pong.close();
}

void play() {
  Channel ping;
  Channel pong;
  boost::fibers::fiber answering([&] { answer(ping, pong); });
  std::int64_t value = 0;
  const std::int64_t started = bench::monotonic_ns();
  for (std::int64_t i = 0; i < kRoundTrips; ++i) {
    ping.push(value);
    bench::check(pong.pop(value) == channel_op_status::success, "every value is answered");
  }
  const std::int64_t elapsed = bench::monotonic_ns() - started;
  ping.close();
  answering.join();
  bench::check(value == kRoundTrips, "no round trip is lost");
  std::printf("{\"round_trip\": %.2f}\n", static_cast<double>(elapsed) / kRoundTrips);
}

}  // namespace

int main() { bench::run_fibers(play, bench::Idle::kSleeps); }
