// Goal: the end of a process is seen by all who wait for it, signals hit it and nobody else, and
// none remains as a zombie, however its handle ends. Method: shells that end, or do not, when they
// are told to.

#include <gmock/gmock.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <thread>

#include "support/build_kind.h"
#include "support/children.h"
#include "support/process_state.h"
#include "support/tcp.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using namespace support;

using testing::HasSubstr;

constexpr const char* kDeaf = "trap '' TERM; echo ready; while :; do sleep 0.02; done";
constexpr const char* kObedient = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.02; done";

TEST(ProcessEnd, IsSeenByAllWhoWait) {
  run([] {
    Process process = Process::spawn({"cat"}, {.in = Stdio::pipe()});
    std::vector<Task<ExitStatus>> waiters;
    for (int i = 0; i < 10; ++i) waiters.push_back(spawn([&] { return process.wait(); }));
    sleep_for(1ms);
    EXPECT_EQ(process.try_wait(), std::nullopt);
    process.in().close();
    for (Task<ExitStatus>& waiter : waiters) EXPECT_TRUE(waiter.get().success());
    EXPECT_TRUE(process.wait().success());
    EXPECT_TRUE(process.try_wait()->success());
  });
}

TEST(ProcessEnd, CancelledWaitLeavesTheProcessAlone) {
  run([] {
    Process process = Process::spawn({"cat"}, {.in = Stdio::pipe()});
    EXPECT_THROW(timeout(2ms, [&] { process.wait(); }), TimeoutError);
    EXPECT_EQ(process.wait_for(1ms), std::nullopt);
    EXPECT_EQ(process.wait_for(0ms), std::nullopt);
    EXPECT_TRUE(is_alive(process.pid()));
    process.in().close();
    EXPECT_TRUE(process.wait_for(20s)->success());
  });
}

TEST(ProcessEnd, SignalsAreSentUntilThen) {
  run([] {
    Process process = Process::spawn({"sleep", "1000"});
    EXPECT_THROW(process.kill(12345), std::system_error);
    EXPECT_TRUE(process.kill(0));
    EXPECT_TRUE(process.terminate());
    EXPECT_EQ(process.wait().signal(), SIGTERM);
    EXPECT_FALSE(process.kill());
    EXPECT_FALSE(process.terminate());
    // One that has ended, and nobody has waited for.
    Process ended = Process::spawn({"true"}, {.out = Stdio::pipe()});
    ended.out().read_to_end(1);
    until([&] { return !is_alive(ended.pid()); });
    EXPECT_FALSE(ended.kill());
    EXPECT_TRUE(ended.wait().success());
  });
}

TEST(ProcessEnd, StopAsksFirst) {
  run([] {
    EXPECT_EQ(spawn_ready(kObedient).stop(20s).code(), 7);
    EXPECT_EQ(spawn_ready(kDeaf).stop(50ms).signal(), SIGKILL);
    EXPECT_EQ(spawn_ready(kDeaf).stop(0ms).signal(), SIGKILL);
    Process ended = Process::spawn({"true"});
    ended.wait();
    EXPECT_EQ(ended.stop(1s).code(), 0);
  });
}

// No time limit can end a wait by a cancellation then.
TEST(ProcessEnd, StopKillsWhileAnExceptionUnwinds) {
  run([] {
    struct Stopper {
      ~Stopper() { status = process.stop(30ms); }
      Process process;
      std::optional<ExitStatus>& status;
    };
    std::optional<ExitStatus> deaf;
    std::optional<ExitStatus> obedient;
    try {
      const Stopper first{spawn_ready(kDeaf), deaf};
      const Stopper second{spawn_ready(kObedient), obedient};
      throw 1;
    } catch (int) {
    }
    EXPECT_EQ(deaf->signal(), SIGKILL);
    EXPECT_TRUE(obedient->code() == 7 || obedient->signal() == SIGKILL) << obedient->to_string();
  });
}

TEST(ProcessEnd, OfAGroupTakesWhatItHasStarted) {
  run([] {
    for (const bool stop : {false, true}) {
      Process process = Process::spawn(sh("sleep 1000 & echo $!; wait"),
                                       {.out = Stdio::pipe(), .new_group = true});
      const int grandchild = std::stoi(process.out().read_until("\n"));
      EXPECT_TRUE(is_alive(grandchild));
      if (stop) {
        process.stop(20s);
      } else {
        EXPECT_TRUE(process.kill_group(SIGKILL));
        EXPECT_EQ(process.wait().signal(), SIGKILL);
      }
      until([&] { return !is_alive(grandchild); });
      EXPECT_FALSE(process.kill_group(SIGKILL));
    }
    Process alone = Process::spawn({"true"});
    EXPECT_THROW(alone.kill_group(SIGKILL), std::logic_error);
    EXPECT_THAT(message_of([&] { alone.kill_group(SIGKILL); }), HasSubstr("new_group"));
    alone.wait();  // its handle would leave it to the background, where the next test may find it
  });
}

// Started in the background, it does not end when it is asked to.
constexpr const char* kDeafMember = "(trap '' TERM; echo ready; exec sleep 60) & echo $!; ";

/// Starts a group with such a member; its number.
int start_group(Process& leader, const std::string& then, const std::string& first = "") {
  leader =
      Process::spawn(sh(first + kDeafMember + then), {.out = Stdio::pipe(), .new_group = true});
  const std::string both = leader.out().read_until("\n") + leader.out().read_until("\n");
  return std::stoi(both.substr(both.find_first_of("0123456789")));
}
bool soon_is_gone(int pid) {
  return eventually([&] { return !is_alive(pid); });
}

TEST(ProcessEnd, StopLeavesNothingOfAGroup) {
  run([] {
    Process process;
    int member = start_group(process, "wait");
    Task<ExitStatus> other = spawn([&] { return process.wait(); });
    yield();
    EXPECT_EQ(process.stop(20s).signal(), SIGTERM);
    EXPECT_TRUE(soon_is_gone(member));
    EXPECT_EQ(other.get().signal(), SIGTERM);
    EXPECT_TRUE(has_no_children()) << "the status has been taken";
    EXPECT_FALSE(process.kill_group(SIGKILL));
    // One that has ended before, and nobody has waited for.
    member = start_group(process, "exit 3");
    until([&] { return !is_alive(process.pid()); });
    EXPECT_TRUE(is_alive(member));
    EXPECT_EQ(process.stop(20s).code(), 3);
    EXPECT_TRUE(soon_is_gone(member));
    EXPECT_TRUE(has_no_children());
    // Cancelled, it has not killed.
    member = start_group(process, "wait", "trap '' TERM; ");
    EXPECT_THROW(timeout(30ms, [&] { process.stop(20s); }), TimeoutError);
    EXPECT_TRUE(is_alive(member));
    EXPECT_TRUE(process.kill_group(SIGKILL));
    process.wait();
    EXPECT_TRUE(has_no_children());
  });
}

TEST(ProcessEnd, OfTheHandleKillsAndLeavesNoZombie) {
  int pid = 0;
  run([&] {
    Process process = spawn_ready(kDeaf);
    pid = process.pid();
    EXPECT_TRUE(is_alive(pid));
  });
  EXPECT_TRUE(soon_has_no_children());
  EXPECT_FALSE(is_alive(pid));
}

TEST(ProcessEnd, OfManyHandlesLeavesNothing) {
  run([] {
    EXPECT_TRUE(soon_has_no_children());
    const std::size_t before = process_counts().descriptors;
    std::vector<Process> many;
    for (int i = 0; i < 50; ++i) many.push_back(Process::spawn({"sleep", "1000"}));
    many.erase(many.begin(), many.begin() + 25);
    Process moved_to = std::move(many.back());
    moved_to = Process::spawn({"true"});
    many.clear();
    moved_to.wait();
    EXPECT_TRUE(soon_has_no_children());
    until([&] { return process_counts().descriptors <= before + 1; });  // that of moved_to
  });
}

TEST(ProcessEnd, OfOneThatIsDetachedIsSeenByNobody) {
  int pid = 0;
  run([&] {
    Process process = Process::spawn(sh("read line"), {.in = Stdio::pipe()});
    pid = process.pid();
    PipeWriter in = std::move(process.in());
    process.detach();
    EXPECT_EQ(process.pid(), -1);
    EXPECT_EQ(error_of([&] { process.wait(); }), std::errc::no_such_process);
    sleep_for(2ms);
    EXPECT_TRUE(is_alive(pid));
    in.write_all("go\n");
    EXPECT_TRUE(soon_has_no_children());
  });
  EXPECT_FALSE(is_alive(pid));
}

TEST(ProcessEnd, OfNoneIsAnError) {
  run([] {
    Process none;
    EXPECT_EQ(none.pid(), -1);
    EXPECT_EQ(error_of([&] { none.wait(); }), std::errc::no_such_process);
    EXPECT_EQ(error_of([&] { none.kill(); }), std::errc::no_such_process);
    EXPECT_EQ(error_of([&] { none.in(); }), std::errc::no_such_process);
  });
}

TEST(ProcessEnd, OfManyAtOnce) {
  run([] {
    constexpr int kMany = scaled(300);
    std::vector<Task<std::optional<int>>> codes;
    for (int i = 0; i < kMany; ++i) {
      codes.push_back(spawn(
          [i] { return Process::spawn(sh("exit " + std::to_string(i % 200))).wait().code(); }));
    }
    for (int i = 0; i < kMany; ++i) {
      EXPECT_EQ(codes[static_cast<std::size_t>(i)].get(), i % 200);
    }
    EXPECT_TRUE(has_no_children());
  });
}

// Wait, kill, cancellation and the end of the handle, at any moment.
TEST(ProcessEnd, AtAnyMomentLeavesNothing) {
  run([] {
    EXPECT_TRUE(soon_has_no_children());
    const std::size_t before = process_counts().descriptors;
    for (int i = 0; i < scaled(200); ++i) {
      Process process = Process::spawn({"true"}, {.out = Stdio::pipe()});
      Task<void> waiter = spawn([&] { process.wait(); });
      Task<void> other = spawn([&] { process.wait(); });
      sleep_for(std::chrono::microseconds(i % 40 * 25));
      if (i % 3 == 0) process.kill();
      waiter.cancel();
      waiter.join();
      other.join();
      if (i % 2 == 0) process.wait();
    }
    EXPECT_TRUE(soon_has_no_children());
    until([&] { return process_counts().descriptors <= before; });
  });
}

std::atomic<int> g_children{0};

TEST(ProcessEnd, IsToldToTheProgramsOwnHandlerToo) {
  struct sigaction own {};
  own.sa_handler = [](int) { ++g_children; };
  own.sa_flags = SA_RESTART;
  ::sigaction(SIGCHLD, &own, nullptr);
  run([] {
    EXPECT_TRUE(Process::spawn({"true"}).wait().success());
    until([] { return g_children > 0; });
  });
  struct sigaction now {};
  ::sigaction(SIGCHLD, nullptr, &now);
  EXPECT_EQ(now.sa_handler, own.sa_handler);
  ::signal(SIGCHLD, SIG_DFL);
}

TEST(ProcessEnd, ThatSomebodyElseHasSeenIsAClearError) {
  run([] {
    Process process = Process::spawn({"true"});
    int status = 0;
    EXPECT_EQ(::waitpid(process.pid(), &status, 0), process.pid());
    EXPECT_EQ(error_of([&] { process.wait(); }), std::errc::no_child_process);
    EXPECT_THAT(message_of([&] { process.wait(); }), HasSubstr("wait for 'true'"));
    EXPECT_FALSE(process.kill());
  });
}

class ProcessEndDeathTest : public testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_F(ProcessEndDeathTest, WhereTheSystemForgetsIsAClearError) {
  EXPECT_EXIT(
      {
        ::signal(SIGCHLD, SIG_IGN);
        const bool clear = run([] {
          Process process = Process::spawn({"true"});
          return error_of([&] { process.wait(); }) == std::errc::no_child_process;
        });
        ::_exit(clear ? 3 : 4);
      },
      testing::ExitedWithCode(3), "");
}

/// As some containers do: no pidfd_open(2).
void refuse_process_descriptors() {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pidfd_open, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter{static_cast<unsigned short>(std::size(program)), program};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0 ||
      ::syscall(SYS_pidfd_open, ::getpid(), 0) >= 0) {
    ::_exit(77);
  }
}

TEST_F(ProcessEndDeathTest, IsSeenWithoutProcessDescriptorsToo) {
  EXPECT_EXIT(
      {
        refuse_process_descriptors();
        int failures = 0;
        const auto expect = [&](bool right) { failures += right ? 0 : 1; };
        run([&] {
          expect(Process::spawn(sh("exit 3")).wait().code() == 3);
          Process process = Process::spawn({"sleep", "1000"});
          expect(!process.wait_for(3ms).has_value());
          expect(process.terminate());
          expect(process.wait().signal() == SIGTERM);
          expect(!process.kill());
          expect(spawn_ready(kObedient).stop(20s).code() == 7);
          expect(spawn_ready(kDeaf).stop(20ms).signal() == SIGKILL);
          Process leader;
          const int member = start_group(leader, "wait");
          expect(leader.stop(20s).signal() == SIGTERM);
          expect(soon_is_gone(member) && has_no_children());
          spawn_ready(kDeaf);
          Process::spawn({"true"}).detach();
        });
        expect(soon_has_no_children());
        ::_exit(failures == 0 ? 3 : 4);
      },
      testing::ExitedWithCode(3), "");
}

}  // namespace
}  // namespace weft
