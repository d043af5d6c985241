// Runs sequences of calls, each from a seed of its own, and prints what came of each call:
//
//   PROGRAM thread|fiber SEED FIRST COUNT
//
// Whether the hooks are linked, and where the calls are made, must not show.

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "hook/parity/calls.h"
#include "hook/parity/log.h"

namespace hook_parity {

namespace {

using Call = void (*)(World&);

// The more often, the more choices it has.
constexpr std::array<Call, 32> kCalls{
    read_something,    read_something,    read_something,     read_something,   receive_something,
    receive_something, receive_something, receive_messages,   receive_messages, receive_messages,
    write_something,   write_something,   write_something,    send_something,   send_something,
    send_messages,     fill_up,           transfer_at_offset, copy_file,        poll_some,
    poll_some,         select_some,       select_some,        wait_in_epoll,    connect_somewhere,
    accept_someone,    change_flags,      duplicate,          close_something,  shut_down,
    sleep_a_little,    ask_for_names,
};

void run_sequence(std::uint64_t seed, std::uint64_t number) {
  print("== " + std::to_string(number));
  World world(seed, number);
  for (int i = 0; i < 4; ++i) world.add_pair(static_cast<Kind>(world.random.below(kPairKinds)));
  for (int left = 10 + world.random.below(51); left > 0; --left) {
    if (world.random.one_in(100)) {
      fork_a_child(world);
    } else if (world.random.one_in(40)) {
      lock_a_file(world);
    } else {
      kCalls[static_cast<std::size_t>(world.random.below(kCalls.size()))](world);
    }
  }
}

}  // namespace
}  // namespace hook_parity

int main(int count, char** arguments) {
  if (count != 5) return 2;
  ::signal(SIGPIPE, SIG_IGN);
  ::alarm(80);
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  const auto seed = std::strtoull(arguments[2], nullptr, 0);
  const auto first = std::strtoull(arguments[3], nullptr, 0);
  const auto how_many = std::strtoull(arguments[4], nullptr, 0);
  hook_parity::run_in(arguments[1], [=] {
    for (auto number = first; number < first + how_many; ++number)
      hook_parity::run_sequence(seed, number);
  });
  return 0;
}
