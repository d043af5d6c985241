// Goal: the file of a Unix socket comes and goes with its listener, and never another's. Method:
// listeners, left-over files and other processes in a folder of the test's own.

#include <weft/unix.h>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "support/process_state.h"
#include "support/tcp.h"
#include "support/temporary_folder.h"

namespace weft {
namespace {

using namespace support;

using testing::HasSubstr;

constexpr UnixListenOptions kReplace{.replace_stale = true};

// As a program leaves it that was killed.
void leave_behind(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(::listen(fd, 1), 0);
  ::close(fd);
  ASSERT_TRUE(std::filesystem::is_socket(path));
}

void expect_answered(UnixListener& listener) {
  auto [client, server] = gather([&] { return UnixStream::connect(listener.path()); },
                                 [&] { return listener.accept(); });
  client.write_all("!");
  client.close();
  EXPECT_EQ(server.read_to_end(1), "!");
}

TEST(UnixListener, RemovesItsFileWhenItEnds) {
  const TemporaryFolder folder;
  const std::string path = folder / "socket";
  {
    UnixListener listener = UnixListener::bind(path);
    EXPECT_TRUE(std::filesystem::is_socket(path));
    EXPECT_GE(listener.native_handle(), 0);
    listener.close();
    EXPECT_EQ(listener.native_handle(), -1);
    EXPECT_FALSE(std::filesystem::exists(path));
    std::ofstream(path) << "another's";
    listener.close();
  }
  EXPECT_TRUE(std::filesystem::exists(path));
  std::filesystem::remove(path);
  {
    UnixListener listener = UnixListener::bind(path);
    UnixListener moved = std::move(listener);
    EXPECT_TRUE(std::filesystem::is_socket(path));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(UnixListener, LeavesAFileThatHasTakenItsPlace) {
  const TemporaryFolder folder;
  const std::string path = folder / "socket";
  UnixListener first = UnixListener::bind(path);
  std::filesystem::remove(path);
  UnixListener second = UnixListener::bind(path);
  first.close();
  EXPECT_TRUE(std::filesystem::is_socket(path)) << "it was the second one's";
  second.close();
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(UnixListener, RemovesTheFileOfARelativePathFromAnywhere) {
  const TemporaryFolder folder;
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  UnixListener listener = UnixListener::bind("relative");
  std::filesystem::current_path(before);
  EXPECT_TRUE(std::filesystem::exists(folder / "relative"));
  listener.close();
  EXPECT_FALSE(std::filesystem::exists(folder / "relative"));
}

TEST(UnixListener, TakesAStalePlaceOnlyWhenToldTo) {
  run([] {
    const TemporaryFolder folder;
    const std::string path = folder / "socket";
    leave_behind(path);
    EXPECT_EQ(error_of([&] { UnixListener::bind(path); }), std::errc::address_in_use);
    EXPECT_THAT(message_of([&] { UnixListener::bind(path); }), HasSubstr("listen on " + path));
    EXPECT_TRUE(std::filesystem::is_socket(path));
    UnixListener listener = UnixListener::bind(path, kReplace);
    expect_answered(listener);
  });
}

TEST(UnixListener, ReplacesNothingThatLives) {
  run([] {
    const TemporaryFolder folder;
    const std::string path = folder / "socket";
    UnixListener living = UnixListener::bind(path, {.backlog = 0});
    EXPECT_EQ(error_of([&] { UnixListener::bind(path, kReplace); }), std::errc::address_in_use);
    // Nor one whose backlog is full, as it is now.
    EXPECT_EQ(error_of([&] { UnixListener::bind(path, kReplace); }), std::errc::address_in_use);
    EXPECT_TRUE(std::filesystem::is_socket(path));

    const std::string file = folder / "file";
    std::ofstream(file) << "precious";
    EXPECT_EQ(error_of([&] { UnixListener::bind(file, kReplace); }), std::errc::address_in_use);
    const std::string link = folder / "link";
    std::filesystem::create_symlink(file, link);
    EXPECT_EQ(error_of([&] { UnixListener::bind(link, kReplace); }), std::errc::address_in_use);
    EXPECT_TRUE(std::filesystem::exists(file));
    EXPECT_TRUE(std::filesystem::is_symlink(link));
  });
}

// Of many that want the place of one that has died, one gets it, and keeps it.
TEST(UnixListener, OneOfManyReplacesAStaleSocket) {
  const TemporaryFolder folder;
  const std::string path = folder / "socket";
  for (int round = 0; round < 30; ++round) {
    leave_behind(path);
    std::atomic<int> winners{0}, losers{0};
    std::vector<UnixListener> listeners(4);
    std::vector<std::thread> threads;
    for (UnixListener& listener : listeners) {
      threads.emplace_back([&] {
        const std::error_code error =
            error_of([&] { listener = UnixListener::bind(path, kReplace); });
        ++(error ? losers : winners);
        EXPECT_TRUE(!error || error == std::errc::address_in_use) << error;
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(winners, 1);
    EXPECT_EQ(losers, 3);
    run([&] { EXPECT_TRUE(UnixStream::connect(path).is_open()); });
    listeners.clear();
    EXPECT_FALSE(std::filesystem::exists(path));
  }
}

// Anybody who may read a folder may lock it, and for as long as they like.
TEST(UnixListener, LockedFolderIsWaitedForOnlyForAWhile) {
  const TemporaryFolder folder;
  const std::string path = folder / "socket";
  const OwnedFd lock(::open(folder.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  ASSERT_EQ(::flock(lock.get(), LOCK_EX), 0);
  const auto fails = [&] {
    try {
      UnixListener::bind(path, kReplace);
      ADD_FAILURE() << "it is locked";
    } catch (const std::system_error& error) {
      EXPECT_EQ(error.code(), std::errc::resource_unavailable_try_again);
      EXPECT_THAT(error.what(), HasSubstr("listen on " + path + " (another holds the lock"));
    }
  };
  fails();
  run(Options{.workers = 1}, [&] {
    int turns = 0;
    const Task<void> other = spawn([&] {
      for (;; ++turns) sleep_for(std::chrono::milliseconds(1));
    });
    fails();
    EXPECT_GT(turns, 20) << "others run meanwhile";
    other.cancel();
    const auto before = std::chrono::steady_clock::now();
    EXPECT_THROW(
        timeout(std::chrono::milliseconds(50), [&] { UnixListener::bind(path, kReplace); }),
        TimeoutError);
    EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::milliseconds(900));
    // Those that need no lock do not care.
    EXPECT_TRUE(UnixListener::bind(path).is_open());
    Task<UnixListener> late = spawn([&] { return UnixListener::bind(path, kReplace); });
    sleep_for(std::chrono::milliseconds(30));
    EXPECT_EQ(::flock(lock.get(), LOCK_UN), 0);
    EXPECT_TRUE(late.get().is_open());
  });
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(UnixListener, FileHasThePermissionsAskedFor) {
  const TemporaryFolder folder;
  const mode_t before = ::umask(022);
  const auto mode_of = [&](const std::string& path, const UnixListenOptions& options) {
    const UnixListener listener = UnixListener::bind(path, options);
    struct stat status {};
    EXPECT_EQ(::stat(path.c_str(), &status), 0);
    return status.st_mode & 0777U;
  };
  EXPECT_EQ(mode_of(folder / "open", {}), 0755U);
  EXPECT_EQ(mode_of(folder / "private", {.mode = 0600}), 0600U);
  ::umask(before);
}

TEST(UnixListener, FailedBindLeavesNothing) {
  const TemporaryFolder folder;
  const std::size_t open = process_counts().descriptors;
  EXPECT_EQ(error_of([&] { UnixListener::bind(folder / "missing/socket"); }),
            std::errc::no_such_file_or_directory);
  EXPECT_EQ(error_of([&] { UnixListener::bind(folder / "missing/socket", kReplace); }),
            std::errc::no_such_file_or_directory);
  EXPECT_EQ(process_counts().descriptors, open);
}

TEST(UnixListener, TooManyOpenFilesLeaveTheConnectionWaiting) {
  run([] {
    const TemporaryFolder folder;
    UnixListener listener = UnixListener::bind(folder / "socket");
    UnixStream client = UnixStream::connect(listener.path());
    client.write_all("patience");
    client.shutdown();
    rlimit before;
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const int lowest = ::dup(0);
    ::close(lowest);
    rlimit low = before;
    low.rlim_cur = static_cast<rlim_t>(lowest);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
    const std::error_code accepted = error_of([&] { listener.accept(); });
    const std::error_code connected = error_of([&] { UnixStream::connect(listener.path()); });
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    EXPECT_EQ(accepted, std::errc::too_many_files_open);
    EXPECT_EQ(connected, std::errc::too_many_files_open);
    EXPECT_EQ(listener.accept().read_to_end(100), "patience");
  });
}

}  // namespace
}  // namespace weft
