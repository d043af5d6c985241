// Goal: who waits in a hooked call for somebody else keeps no thread of the pool from others, for
// they may be whom it waits for; and is cancelled, if it may be at all. Method: a pool of one
// thread, which another uses while the call waits; and a cancellation in the middle of it.

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <atomic>
#include <csignal>
#include <memory>
#include <string>
#include <thread>
#include <tuple>

#include "hook/support.h"
#include "support/temporary_folder.h"

namespace {

using namespace hook_test;
using weft::Task;

// A file, opened twice.
struct File {
  const support::TemporaryFolder folder;
  const std::string path = folder / "file";
  const int one = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  const int other = ::open(path.c_str(), O_RDWR | O_CLOEXEC);

  File() = default;
  ~File() {
    ::close(one);
    ::close(other);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
};

struct flock range_of(short type, short whence = SEEK_SET) {
  struct flock range {};
  range.l_type = type;
  range.l_whence = whence;
  range.l_len = 10;
  return range;
}

int lock_range(int fd, int command, struct flock range) { return ::fcntl(fd, command, &range); }

// A process that runs until it is told to end, and may hold a lock.
class Living {
 public:
  explicit Living(int to_lock = -1) {
    EXPECT_EQ(::pipe2(pipe_.data(), O_CLOEXEC), 0);
    const Pair ready;
    pid_ = ::fork();
    if (pid_ == 0) ::_exit(live(to_lock, ready[1]));
    char byte = 0;
    EXPECT_EQ(::read(ready[0], &byte, 1), 1);
    ::close(pipe_[0]);
  }
  pid_t pid() const { return pid_; }
  void end() { ::close(pipe_[1]); }

 private:
  int live(int to_lock, int ready) {
    ::close(pipe_[1]);
    char byte = 0;
    if (to_lock >= 0 && lock_range(to_lock, F_SETLK, range_of(F_WRLCK)) != 0) return 1;
    if (::write(ready, "x", 1) != 1) return 2;
    return ::read(pipe_[0], &byte, 1) == 0 ? 0 : 3;
  }

  std::array<int, 2> pipe_{};
  pid_t pid_ = -1;
};

// A call, and what lets it go on.
struct Waiting {
  std::function<int()> call;
  std::function<void()> release;
};
struct Kind {
  const char* name;
  Waiting (*begin)();
  bool is_cancellable = true;
};

Waiting lock_of_a_process(const std::function<int(int fd)>& call) {
  const auto file = std::make_shared<File>();
  const auto holder = std::make_shared<Living>(file->one);
  return {[=] { return call(file->other); },
          [=] {
            holder->end();
            EXPECT_EQ(::waitpid(holder->pid(), nullptr, 0), holder->pid());
          }};
}

Waiting end_of_child(const std::function<int(pid_t child)>& call) {
  const auto child = std::make_shared<Living>();
  return {[=] { return call(child->pid()); }, [=] { child->end(); }};
}

// One that reads a line from a pipe with a name.
Waiting end_of_command(const std::function<std::function<int()>(const std::string&)>& begin) {
  const auto folder = std::make_shared<support::TemporaryFolder>();
  const std::string path = *folder / "pipe";
  EXPECT_EQ(::mkfifo(path.c_str(), 0600), 0);
  const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  return {begin("read line < " + path), [folder, fd] {
            EXPECT_EQ(::write(fd, "\n", 1), 1);
            ::close(fd);
          }};
}

const Kind kKinds[] = {
    {"flock",
     [] {
       const auto file = std::make_shared<File>();
       EXPECT_EQ(::flock(file->one, LOCK_EX), 0);
       return Waiting{[=] { return ::flock(file->other, LOCK_SH); },
                      [=] { EXPECT_EQ(::flock(file->one, LOCK_UN), 0); }};
     }},
    {"open_file_lock",
     [] {
       const auto file = std::make_shared<File>();
       EXPECT_EQ(lock_range(file->one, F_OFD_SETLK, range_of(F_WRLCK)), 0);
       return Waiting{[=] { return lock_range(file->other, F_OFD_SETLKW, range_of(F_RDLCK)); },
                      [=] { EXPECT_EQ(lock_range(file->one, F_OFD_SETLK, range_of(F_UNLCK)), 0); }};
     }},
    {"process_lock",
     [] {
       return lock_of_a_process([](int fd) { return lock_range(fd, F_SETLKW, range_of(F_WRLCK)); });
     }},
    {"lockf", [] { return lock_of_a_process([](int fd) { return ::lockf(fd, F_LOCK, 5); }); }},
    {"wait", [] { return end_of_child([](pid_t) { return ::wait(nullptr); }); }},
    {"waitpid_of_a_group",
     [] { return end_of_child([](pid_t) { return ::waitpid(0, nullptr, 0); }); }},
    {"waitpid_for_stops",
     [] { return end_of_child([](pid_t child) { return ::waitpid(child, nullptr, WUNTRACED); }); }},
    {"wait4",
     [] {
       return end_of_child([](pid_t) {
         rusage usage{};
         return ::wait4(-1, nullptr, 0, &usage);
       });
     }},
    {"waitid_of_all",
     [] { return end_of_child([](pid_t) { return ::waitid(P_ALL, 0, nullptr, WEXITED); }); }},
    {"waitid_of_one",
     [] {
       return end_of_child([](pid_t child) {
         siginfo_t info{};
         const int result = ::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED);
         EXPECT_EQ(info.si_pid, result == 0 ? child : 0);
         return result;
       });
     }},
    {"join",
     [] {
       const auto ends = std::make_shared<std::atomic<bool>>(false);
       const auto thread = std::make_shared<std::thread>([ends] { ends->wait(false); });
       return Waiting{[=] {
                        thread->join();
                        return 0;
                      },
                      [=] {
                        *ends = true;
                        ends->notify_one();
                      }};
     },
     false},
    {"system",
     [] {
       return end_of_command(
           [](const std::string& command) { return [=] { return ::system(command.c_str()); }; });
     },
     false},
    {"pclose",
     [] {
       return end_of_command([](const std::string& command) {
         FILE* const stream = ::popen(command.c_str(), "r");
         return [=] { return ::pclose(stream); };
       });
     },
     false},
};

std::string name_of(const testing::TestParamInfo<std::tuple<unsigned, Kind>>& info) {
  return std::string(std::get<Kind>(info.param).name) + "_" +
         std::to_string(std::get<unsigned>(info.param));
}

class HookedWaits : public testing::TestWithParam<std::tuple<unsigned, Kind>> {
 protected:
  static Kind kind() { return std::get<Kind>(GetParam()); }
  static void run(const std::function<void()>& body) {
    weft::Options options = workers(std::get<unsigned>(GetParam()));
    options.blocking_threads = 1;
    weft::run(options, body);
  }

 private:
  support::Watchdog watchdog_{"a hooked call", 20s};
};
INSTANTIATE_TEST_SUITE_P(Of, HookedWaits,
                         testing::Combine(testing::Values(1U, 2U), testing::ValuesIn(kKinds)),
                         name_of);

TEST_P(HookedWaits, KeepNoThreadOfThePool) {
  run([] {
    const Waiting waiting = kind().begin();
    Task<int> task = weft::spawn(waiting.call);
    let_them_sleep();
    EXPECT_FALSE(task.done());
    EXPECT_NO_THROW(weft::timeout(5s, [] { weft::to_thread([] {}); }));
    waiting.release();
    EXPECT_GE(task.get(), 0);
  });
}

TEST_P(HookedWaits, AreCancelledOrLastToTheEnd) {
  run([] {
    const Waiting waiting = kind().begin();
    Came came{};
    Task<void> task = weft::spawn([&] { came = call(waiting.call); });
    let_them_sleep();
    task.cancel();
    if (kind().is_cancellable) {
      EXPECT_NO_THROW(weft::timeout(5s, [&] { task.join(); }));
      waiting.release();
      EXPECT_EQ(came.result, -1);
      EXPECT_EQ(came.error, ECANCELED);
      EXPECT_GE(waiting.call(), 0);
    } else {
      let_them_sleep();
      EXPECT_FALSE(task.done());
      waiting.release();
      task.join();
      EXPECT_EQ(came.result, 0);
    }
  });
}

// In a task that has been cancelled, and told so.
void run_cancelled(const std::function<void()>& body) {
  Task<void> task = weft::spawn([&] {
    EXPECT_EQ(call([] { return ::usleep(10'000'000); }).error, ECANCELED);
    body();
  });
  let_them_sleep();
  task.cancel();
  task.join();
}

class HookedFileLocks : public OnWorkers {
 protected:
  HookedFileLocks() : OnWorkers(20s) {}
};
INSTANTIATE_TEST_SUITE_P(Workers, HookedFileLocks, testing::Values(1U, 2U));

TEST_P(HookedFileLocks, AreGivenBackByWhoIsCancelled) {
  run([] {
    const File file;
    EXPECT_EQ(::flock(file.one, LOCK_EX), 0);
    EXPECT_EQ(lock_range(file.one, F_OFD_SETLKW, range_of(F_WRLCK)), 0);
    run_cancelled([&] {
      EXPECT_EQ(::flock(file.one, LOCK_UN), 0);
      EXPECT_EQ(lock_range(file.one, F_OFD_SETLKW, range_of(F_UNLCK)), 0);
    });
    EXPECT_EQ(::flock(file.other, LOCK_EX | LOCK_NB), 0);
    EXPECT_EQ(lock_range(file.other, F_OFD_SETLK, range_of(F_WRLCK)), 0);
  });
}

// The place in the file is moved by others, and the file grows.
TEST_P(HookedFileLocks, AreOfTheRangeThatWasMeantWhenTheyWereAskedFor) {
  run([] {
    for (const short whence : {SEEK_CUR, SEEK_END}) {
      const File file;
      EXPECT_EQ(::ftruncate(file.one, 100), 0);
      EXPECT_EQ(::lseek(file.other, 100, SEEK_SET), 100);
      EXPECT_EQ(lock_range(file.one, F_OFD_SETLK, range_of(F_WRLCK, SEEK_END)), 0);
      Task<int> waiter = weft::spawn(
          [&] { return lock_range(file.other, F_OFD_SETLKW, range_of(F_WRLCK, whence)); });
      let_them_sleep();
      EXPECT_FALSE(waiter.done());
      EXPECT_EQ(::lseek(file.other, 0, SEEK_SET), 0);
      EXPECT_EQ(::ftruncate(file.one, 200), 0);
      struct flock all {};
      all.l_type = F_UNLCK;
      EXPECT_EQ(::fcntl(file.one, F_OFD_SETLK, &all), 0);
      EXPECT_EQ(waiter.get(), 0);
      all.l_type = F_WRLCK;
      EXPECT_EQ(::fcntl(file.one, F_OFD_GETLK, &all), 0);
      EXPECT_EQ(all.l_start, 100);
      EXPECT_EQ(all.l_len, 10);
    }
  });
}

class HookedProcesses : public OnWorkers {
 protected:
  HookedProcesses() : OnWorkers(20s) {}
};
INSTANTIATE_TEST_SUITE_P(Workers, HookedProcesses, testing::Values(1U, 2U));

TEST_P(HookedProcesses, AreSeenToStopAndToGoOn) {
  run([] {
    Living child;
    int status = 0;
    const auto sees = [&](int signal, int options) {
      Task<pid_t> waiter = weft::spawn([&] { return ::waitpid(-1, &status, options); });
      let_them_sleep();
      EXPECT_FALSE(waiter.done());
      EXPECT_EQ(::kill(child.pid(), signal), 0);
      EXPECT_EQ(waiter.get(), child.pid());
    };
    sees(SIGSTOP, WUNTRACED);
    EXPECT_TRUE(WIFSTOPPED(status));
    sees(SIGCONT, WUNTRACED | WCONTINUED);
    EXPECT_TRUE(WIFCONTINUED(status));
    sees(SIGKILL, 0);
    EXPECT_TRUE(WIFSIGNALED(status));
    EXPECT_EQ(call([] { return ::wait(nullptr); }).error, ECHILD);
  });
}

TEST_P(HookedProcesses, AreWaitedForByTheirDescriptor) {
  run([] {
    Living child;
    const int fd = static_cast<int>(::syscall(SYS_pidfd_open, child.pid(), 0));
    if (fd < 0) GTEST_SKIP() << "the kernel has none";
    const auto wait = [fd] { return ::waitid(P_PIDFD, static_cast<id_t>(fd), nullptr, WEXITED); };
    EXPECT_EQ(::fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    EXPECT_EQ(call(wait).error, EAGAIN);
    EXPECT_EQ(::fcntl(fd, F_SETFL, 0), 0);
    Task<int> waiter = weft::spawn(wait);
    let_them_sleep();
    EXPECT_FALSE(waiter.done());
    child.end();
    EXPECT_EQ(waiter.get(), 0);
    ::close(fd);
  });
}

TEST_P(HookedProcesses, OfACommandHaveTheCallersSignalMask) {
  run([] {
    // The shell itself, which may change its mask before it starts another, becomes grep.
    const auto has = [](const char* mask) {
      const std::string pattern = std::string("'^SigBlk:.*") + mask + "$'";
      return ::system(("exec grep -q " + pattern + " /proc/self/status").c_str()) == 0;
    };
    EXPECT_TRUE(has("0000000000000000"));
    sigset_t one;
    ::sigemptyset(&one);
    ::sigaddset(&one, SIGUSR2);
    ::pthread_sigmask(SIG_BLOCK, &one, nullptr);
    EXPECT_TRUE(has("0000000000000800"));
    ::pthread_sigmask(SIG_UNBLOCK, &one, nullptr);
  });
}

TEST_P(HookedProcesses, OfACommandAreNotStartedByWhoIsCancelled) {
  run([] {
    const support::TemporaryFolder folder;
    const std::string path = folder / "file";
    run_cancelled([&] {
      const Came came = call([&] { return ::system(("touch " + path).c_str()); });
      EXPECT_EQ(came.result, -1);
      EXPECT_EQ(came.error, ECANCELED);
    });
    EXPECT_NE(::access(path.c_str(), F_OK), 0);
  });
}

TEST_P(HookedProcesses, OfAStreamAreSeenToTheirEndByWhoIsCancelled) {
  run([] {
    FILE* const stream = ::popen("exit 7", "r");
    ASSERT_NE(stream, nullptr);
    run_cancelled([&] { EXPECT_EQ(WEXITSTATUS(::pclose(stream)), 7); });
    EXPECT_EQ(call([] { return ::wait(nullptr); }).error, ECHILD);
  });
}

}  // namespace
