// Commands, side by side, with a time limit for each.
//
//   16_run_commands [SECONDS COMMAND...]
//
// A shell runs each command. One that takes too long is asked to end, and killed if it does not
// within a second. SIGTERM or Ctrl-C does the same to all that still run, and then tells how each
// has ended, as always.

#include <signal.h>
#include <weft/error.h>
#include <weft/process.h>
#include <weft/runtime.h>
#include <weft/signals.h>
#include <weft/task.h>
#include <weft/task_group.h>

#include <chrono>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "support/number.h"

using namespace std::chrono_literals;

constexpr auto kGrace = 1s;

struct Command {
  std::string text;
  std::string outcome = {};
};

void run_command(Command& command, std::chrono::seconds limit) {
  // A group of its own: what the shell starts is stopped with it, and Ctrl-C reaches this program
  // alone.
  weft::Process shell = weft::Process::spawn({"sh", "-c", command.text},
                                             {.in = weft::Stdio::null(), .new_group = true});
  try {
    if (const auto status = shell.wait_for(limit)) {
      command.outcome = status->to_string();
    } else {
      command.outcome = "took too long, " + shell.stop(kGrace).to_string();
    }
  } catch (const weft::Cancelled&) {
    command.outcome = "stopped, " + shell.stop(kGrace).to_string();
    throw;
  }
}

int main(int argc, char** argv) {
  std::vector<Command> commands;
  for (int i = 2; i < argc; ++i) commands.push_back({argv[i]});
  const auto limit = argc > 1 ? parse_number(argv[1], 1, 3600) : std::optional<int>(1);
  if (!limit.has_value()) {
    std::fprintf(stderr, "usage: %s [SECONDS COMMAND...]\n", argv[0]);
    return 2;
  }
  if (argc == 1) commands = {{"true"}, {"exit 3"}, {"kill -KILL $$"}, {"sleep 60"}};

  const bool stopped = weft::run([&] {
    // First, so that no signal finds a command that nobody would stop.
    weft::Signals signals{SIGTERM, SIGINT};
    weft::Task<void> work = weft::spawn([&] {
      weft::task_group([&](weft::TaskGroup& group) {
        for (Command& command : commands) {
          group.spawn([&] { run_command(command, std::chrono::seconds(*limit)); });
        }
      });
    });
    weft::Task<void> watch = weft::spawn([&] {
      signals.wait();
      std::puts("stopping");
      work.cancel();
    });
    work.join();
    watch.cancel();
    watch.join();
    if (!work.cancelled()) work.get();  // throws if a command could not be started
    return work.cancelled();
  });
  for (const Command& command : commands) {
    std::printf("%s: %s\n", command.text.c_str(), command.outcome.c_str());
  }
  return stopped ? 1 : 0;
}
