// Goal: a child process that a plain thread makes while fibers wait has nothing to do with them:
// its hooks find no lock that another thread held, tell nobody of what it closes, and serve a
// runtime of its own. Method: fibers wait for descriptors, and are busy with them, while the test's
// thread forks.

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>

#include <atomic>
#include <csignal>
#include <thread>

#include "hook/support.h"
#include "support/watchdog.h"

namespace {

using namespace hook_test;
using weft::Task;

class HookedChildren : public testing::Test {
 protected:
  support::Watchdog watchdog_{"a child", std::chrono::seconds(60)};
};

// 0 if it ended as it should, and in time.
template <class Body>
int exit_status_of(const Body& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(20);
    ::_exit(body());
  }
  int status = -1;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return status;
}

bool reads_one(int fd) {
  char byte = 0;
  return ::read(fd, &byte, 1) == 1;
}

// One fiber would keep the only worker from the other, if it did not suspend.
int talk_in_fibers() {
  int wrong = 0;
  weft::run(workers(1), [&] {
    const Pair pair;
    Task<void> reader = weft::spawn([&] { wrong += reads_one(pair[0]) ? 0 : 1; });
    let_others_wait();
    if (::write(pair[1], "x", 1) != 1) ++wrong;
    reader.get();
  });
  return wrong;
}

TEST_F(HookedChildren, OfAProgramWithoutFibersHaveFibersOfTheirOwn) {
  if (support::kSanitized) GTEST_SKIP() << "its own locks are held in the child";
  EXPECT_EQ(exit_status_of(talk_in_fibers), 0);
}

// What a fiber waits for meanwhile.
class Waiting {
 public:
  Waiting() { std::this_thread::sleep_for(20ms); }
  /// Lets it go on: whether it did not before.
  bool has_waited() {
    const bool still = !task_.done();
    EXPECT_EQ(::write(pair_[1], "x", 1), 1);
    return task_.get() && still;
  }
  int fd() const { return pair_[0]; }

 private:
  const Pair pair_;
  weft::Runtime runtime_{workers(2)};
  Task<bool> task_ = runtime_.post([this] { return reads_one(pair_[0]); });
};

TEST_F(HookedChildren, OfAProgramWithFibersHaveOthers) {
  if (support::kSanitized) GTEST_SKIP() << "its own locks are held in the child";
  Waiting waiting;
  EXPECT_EQ(exit_status_of([&] { return ::close(waiting.fd()) == 0 ? talk_in_fibers() : 100; }), 0);
  EXPECT_TRUE(waiting.has_waited());
}

// It runs on the parent's memory.
TEST_F(HookedChildren, OfVforkCloseWhatIsTheirs) {
  Waiting waiting;
  // NOLINTNEXTLINE(clang-analyzer-security.insecureAPI.vfork): it is what is tried
  const pid_t child = ::vfork();
  if (child == 0) {
    ::dup2(waiting.fd() + 1, waiting.fd());
    ::close(waiting.fd());
    ::_exit(0);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(waiting.has_waited());
}

// Of the locks that the hooks take, another thread holds one in many of the moments of a fork.
TEST_F(HookedChildren, FindNoLockHeld) {
  constexpr int kChildren = 100;
  const Pair pair;
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
  std::atomic<bool> enough{false};
  weft::Runtime runtime(workers(2));
  Task<void> waiting = runtime.post([&] {  // and again
    while (!enough) {
      pollfd item{pair[0], POLLIN, 0};
      ::poll(&item, 1, 1);
      const timespec now{0, 1};
      ::ppoll(&item, 1, &now, nullptr);
    }
  });
  // What accept(2) does for a moment.
  Task<void> changing = runtime.post([&] {
    while (!enough) ::fcntl(pipe[0], F_SETFL, O_NONBLOCK);
  });
  for (int i = 0; i < kChildren && !HasFailure(); ++i) {
    EXPECT_EQ(exit_status_of([&] {
                ::fcntl(pipe[0], F_SETFL, 0);
                return ::close(pair[0]) + ::close(pipe[0]);
              }),
              0);
  }
  enough = true;
  waiting.get();
  changing.get();
  for (const int fd : pipe) ::close(fd);
}

}  // namespace
