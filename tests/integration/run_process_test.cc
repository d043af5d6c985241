// Goal: run_process feeds a process, reads all it writes without ever getting stuck, and leaves
// nothing behind when it ends, in time or not. Method: shells that write much, read little, or do
// not end.

#include <weft/run_process.h>

#include <gmock/gmock.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <fstream>

#include "support/build_kind.h"
#include "support/children.h"
#include "support/process_state.h"
#include "support/tcp.h"
#include "support/temporary_folder.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using namespace support;

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 7 + i / 251);
  return text;
}

TEST(RunProcess, ReturnsWhatItWrote) {
  run([] {
    const ProcessResult result = run_process(sh("cat; echo bad >&2; exit 4"), {.input = "hello"});
    EXPECT_EQ(result.status.code(), 4);
    EXPECT_EQ(result.out, "hello");
    EXPECT_EQ(result.err, "bad\n");
    EXPECT_FALSE(result.timed_out);
    EXPECT_THAT(run_process({"cat"}).out, IsEmpty()) << "no input is its end, not the terminal";
    EXPECT_EQ(run_process(sh("echo 1; echo 2 >&2; echo 3"), {.merge_errors = true}).out,
              "1\n2\n3\n");
    EXPECT_EQ(run_process({"pwd"}, {.directory = "/"}).out, "/\n");
    EXPECT_EQ(run_process({"/usr/bin/env"}, {.environment = {{{"A", "b"}}}}).out, "A=b\n");
    EXPECT_EQ(error_of([] { run_process({"no-such-program"}, {.input = "x"}); }),
              std::errc::no_such_file_or_directory);
  });
  EXPECT_TRUE(has_no_children());
}

// Either stream alone would fill its pipe while the other waits, and the input, too.
TEST(RunProcess, TakesMuchOnAllStreams) {
  run([] {
    const auto size = static_cast<std::size_t>(scaled(8'000'000));
    const std::string input = pattern(size);
    const std::string each = std::to_string(size / 2);
    const ProcessResult result =
        run_process(sh("head -c " + each + " /dev/zero >&2; cat; head -c " + each +
                       " /dev/zero >&2; " + "head -c " + each + " /dev/zero"),
                    {.input = input});
    EXPECT_TRUE(result.status.success());
    EXPECT_EQ(result.out.substr(0, size), input);
    EXPECT_THAT(result.out, SizeIs(size + size / 2));
    EXPECT_THAT(result.err, SizeIs(size / 2 * 2));
  });
}

TEST(RunProcess, NeedNotReadItsInput) {
  run([] {
    const std::string input = pattern(3'000'000);
    EXPECT_TRUE(run_process({"true"}, {.input = input}).status.success());
    EXPECT_EQ(run_process({"head", "-c", "5"}, {.input = input}).out, input.substr(0, 5));
    EXPECT_EQ(run_process(sh("exec <&-; echo closed"), {.input = input}).out, "closed\n");
  });
}

TEST(RunProcess, TooMuchOutputIsAnError) {
  run([] {
    const std::size_t before = process_counts().descriptors;
    for (const char* const script : {"cat /dev/zero", "cat /dev/zero >&2"}) {
      const auto run_it = [&] { run_process(sh(script), {.limit = 1'000'000}); };
      EXPECT_THROW(run_it(), LimitExceeded);
      EXPECT_THAT(message_of(run_it), AllOf(HasSubstr("'sh'"), HasSubstr("1000000 bytes")));
    }
    EXPECT_TRUE(has_no_children());
    EXPECT_EQ(process_counts().descriptors, before);
    EXPECT_THAT(run_process({"head", "-c", "5", "/dev/zero"}, {.limit = 5}).out, SizeIs(5));
    EXPECT_THROW(run_process({"head", "-c", "6", "/dev/zero"}, {.limit = 5}), LimitExceeded);
  });
}

TEST(RunProcess, IsStoppedWhenItsTimeIsOver) {
  run([] {
    const ProcessResult late =
        run_process(sh("echo begun; exec sleep 1000"), {.timeout = 50ms, .grace = 20s});
    EXPECT_TRUE(late.timed_out);
    EXPECT_EQ(late.out, "begun\n");
    EXPECT_EQ(late.status.signal(), SIGTERM);
    const ProcessResult deaf =
        run_process(sh("trap '' TERM; echo begun; while :; do sleep 0.01; done"),
                    {.timeout = 300ms, .grace = 20ms});
    EXPECT_TRUE(deaf.timed_out);
    EXPECT_EQ(deaf.status.signal(), SIGKILL);
    EXPECT_EQ(deaf.out, "begun\n");
    const ProcessResult polite =
        run_process(sh("trap 'echo bye; exit 5' TERM; echo begun; while :; do sleep 0.01; done"),
                    {.timeout = 300ms, .grace = 20s});
    EXPECT_TRUE(polite.timed_out);
    EXPECT_EQ(polite.status.code(), 5);
    EXPECT_EQ(polite.out, "begun\nbye\n");
    EXPECT_TRUE(has_no_children());
    EXPECT_FALSE(run_process({"true"}, {.timeout = 20s}).timed_out);
  });
}

TEST(RunProcess, DoesNotWaitForeverForWhoHoldsItsOutput) {
  run([] {
    const std::size_t before = process_counts().descriptors;
    const auto begin = std::chrono::steady_clock::now();
    const ProcessResult result = run_process(sh("sleep 3 & echo $!"), {.timeout = 200ms});
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 2s);
    EXPECT_TRUE(result.timed_out);
    EXPECT_EQ(result.status.code(), 0);
    EXPECT_THAT(result.out, testing::Not(IsEmpty()));
    ::kill(std::stoi(result.out), SIGKILL);
    EXPECT_EQ(process_counts().descriptors, before);
  });
}

TEST(RunProcess, StopsTheWholeGroupIfItHasOne) {
  run([] {
    const ProcessResult result = run_process(sh("sleep 1000 & echo $!; wait"),
                                             {.new_group = true, .timeout = 300ms, .grace = 20s});
    EXPECT_TRUE(result.timed_out);
    const int grandchild = std::stoi(result.out);
    until([&] { return !is_alive(grandchild); });
  });
}

bool soon_is_gone(int pid) {
  return eventually([&] { return !is_alive(pid); });
}

// The first of the group has ended, and what it has started goes on.
TEST(RunProcess, StopsWhatIsLeftOfTheGroup) {
  run([] {
    const ProcessResult left =
        run_process(sh("sleep 60 & echo $!"), {.new_group = true, .timeout = 200ms});
    EXPECT_TRUE(left.timed_out);
    EXPECT_EQ(left.status.code(), 0);
    EXPECT_TRUE(soon_is_gone(std::stoi(left.out)));
    const ProcessResult deaf = run_process(sh("(trap '' TERM; exec sleep 60) & echo $!"),
                                           {.new_group = true, .timeout = 200ms, .grace = 50ms});
    EXPECT_TRUE(deaf.timed_out);
    EXPECT_TRUE(soon_is_gone(std::stoi(deaf.out)));
    const ProcessResult polite =
        run_process(sh("(trap 'echo bye; exit' TERM; while :; do sleep 0.01; done) &"),
                    {.new_group = true, .timeout = 300ms, .grace = 20s});
    EXPECT_TRUE(polite.timed_out);
    EXPECT_EQ(polite.out, "bye\n");
    EXPECT_TRUE(has_no_children());
    // Who lets go of the output is not waited for, and lives.
    const ProcessResult well =
        run_process(sh("sleep 60 >/dev/null 2>&1 & echo $!"), {.new_group = true, .timeout = 20s});
    EXPECT_FALSE(well.timed_out);
    EXPECT_TRUE(is_alive(std::stoi(well.out)));
    ::kill(std::stoi(well.out), SIGKILL);
    EXPECT_TRUE(has_no_children());
  });
}

TEST(RunProcess, CancelledOrFailedItStopsWhatIsLeftOfTheGroup) {
  run([] {
    const TemporaryFolder folder;
    const auto member = [&](const std::string& name) {
      int pid = 0;
      until([&] { return static_cast<bool>(std::ifstream(folder / name) >> pid); });
      return pid;
    };
    Task<void> cancelled = spawn(
        [&] { run_process(sh("sleep 60 & echo $! > $1", {folder / "a"}), {.new_group = true}); });
    const int first = member("a");
    sleep_for(50ms);
    EXPECT_TRUE(is_alive(first));
    cancelled.cancel();
    cancelled.join();
    EXPECT_TRUE(soon_is_gone(first));
    EXPECT_THROW(run_process(sh("sleep 60 & echo $! > $1; (sleep 0.2; exec yes) &", {folder / "b"}),
                             {.new_group = true, .limit = 1000}),
                 LimitExceeded);
    EXPECT_TRUE(soon_is_gone(member("b")));
    EXPECT_TRUE(has_no_children());
  });
}

TEST(RunProcess, DoesNotReadOnWhenTheResultIsLost) {
  run([] {
    const std::size_t before = process_counts().descriptors;
    const auto begin = std::chrono::steady_clock::now();
    // Not a group: who holds on to the errors lives on.
    EXPECT_THROW(run_process(sh("sleep 4 & exec yes"), {.limit = 1000}), LimitExceeded);
    EXPECT_THROW(run_process(sh("sleep 4 & exec yes"), {.timeout = 20s, .limit = 1000}),
                 LimitExceeded);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 3s);
    EXPECT_TRUE(has_no_children());
    EXPECT_EQ(process_counts().descriptors, before);
  });
}

/// As if the process were another user's.
void refuse_signals() {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pidfd_send_signal, 1, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_kill, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter{static_cast<unsigned short>(std::size(program)), program};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) {
    ::_exit(77);
  }
}

TEST(RunProcessDeathTest, OneThatCannotBeKilledHidesNoFailure) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        refuse_signals();
        int code = 4;
        run([&] {
          try {
            run_process({"yes"}, {.limit = 1000});
          } catch (const LimitExceeded&) {
            code = 3;
          }
        });
        ::_exit(code);
      },
      testing::ExitedWithCode(3), "");
}

TEST(RunProcess, CancelledKillsAndLeavesNothing) {
  run([] {
    const std::size_t before = process_counts().descriptors;
    EXPECT_THROW(timeout(30ms, [] { run_process(sh("trap '' TERM; while :; do sleep 1; done")); }),
                 TimeoutError);
    EXPECT_TRUE(has_no_children()) << "it was waited for";
    EXPECT_EQ(process_counts().descriptors, before);
  });
}

TEST(RunProcess, CancelledAtAnyMomentLeavesNothing) {
  run([] {
    const std::size_t before = process_counts().descriptors;
    const std::string input = pattern(200'000);
    for (int i = 0; i < scaled(150); ++i) {
      try {
        timeout(std::chrono::microseconds(i * 40),
                [&] { run_process(sh("cat; cat /proc/self/status >&2"), {.input = input}); });
      } catch (const TimeoutError&) {
      }
      ASSERT_TRUE(has_no_children());
    }
    EXPECT_EQ(process_counts().descriptors, before);
  });
}

TEST(RunProcess, OfManyAtOnce) {
  run([] {
    constexpr int kMany = scaled(100);
    std::vector<Task<ProcessResult>> results;
    for (int i = 0; i < kMany; ++i) {
      results.push_back(spawn([i] {
        return run_process(sh("cat; echo $1 >&2; exit $1", {std::to_string(i)}),
                           {.input = std::to_string(i)});
      }));
    }
    for (int i = 0; i < kMany; ++i) {
      const ProcessResult result = results[static_cast<std::size_t>(i)].get();
      EXPECT_EQ(result.status.code(), i);
      EXPECT_EQ(result.out, std::to_string(i));
      EXPECT_EQ(result.err, std::to_string(i) + "\n");
    }
    EXPECT_TRUE(has_no_children());
  });
}

}  // namespace
}  // namespace weft
