// Goal: files are read and written as one expects, by many at once, and errors name the operation
// and the path. Method: files in a folder of the test's own, and the devices that every system has.

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <string>
#include <vector>

#include "support/build_kind.h"
#include "support/tcp.h"
#include "support/temporary_folder.h"

namespace weft {
namespace {

using namespace support;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class Files : public testing::Test {
 protected:
  std::string path(const std::string& name = "file") const { return folder_ / name; }
  std::string write(const std::string& text) const { return folder_.write("file", text); }
  std::vector<std::string> names() const { return folder_.names(); }

 private:
  const TemporaryFolder folder_;
};

std::string text_at(const File& file, std::size_t size, std::uint64_t offset) {
  std::string text(size, ' ');
  text.resize(file.read_at(bytes_of(text), offset));
  return text;
}

TEST_F(Files, AreReadAndWrittenAnywhere) {
  run([&] {
    const File file = File::open(path(), O_RDWR | O_CREAT);
    file.write_at("0123456789", 0);
    file.write_at("abc", 4);
    EXPECT_EQ(text_at(file, 10, 0), "0123abc789");
    EXPECT_EQ(text_at(file, 3, 5), "bc7");
    EXPECT_EQ(text_at(file, 10, 8), "89");
    EXPECT_EQ(text_at(file, 10, 10), "");
    EXPECT_EQ(text_at(file, 10, 1000), "");
    EXPECT_EQ(file.size(), 10U);
    EXPECT_EQ(file.path(), path());
  });
}

TEST_F(Files, AreReadAndWrittenOneAfterTheOther) {
  run([&] {
    File file = File::open(path(), O_RDWR | O_CREAT);
    file.write_all("first ");
    file.write_all("second");
    EXPECT_EQ(file.position(), 12U);
    file.seek(2);
    std::string some(6, ' ');
    EXPECT_EQ(file.read_some(bytes_of(some)), 6U);
    EXPECT_EQ(some, "rst se");
    EXPECT_EQ(file.read_some({}), 0U);
    EXPECT_EQ(file.read_some(bytes_of(some)), 4U);
    EXPECT_EQ(file.read_some(bytes_of(some)), 0U);
    EXPECT_EQ(file.position(), 12U);
  });
}

TEST_F(Files, MayHaveHoles) {
  run([&] {
    const File file = File::open(path(), O_RDWR | O_CREAT);
    constexpr std::uint64_t kFar = std::uint64_t{5} << 30;  // behind 32 bits
    file.write_at("end", kFar);
    EXPECT_EQ(file.size(), kFar + 3);
    EXPECT_EQ(text_at(file, 5, kFar - 2), std::string("\0\0end", 5));
    EXPECT_EQ(text_at(file, 5, kFar / 2), std::string(5, '\0'));
    file.truncate(kFar + 1);
    EXPECT_EQ(text_at(file, 5, kFar), "e");
    file.sync();
    file.truncate(0);
    EXPECT_EQ(file.size(), 0U);
  });
}

TEST_F(Files, MayBeBig) {
  run([&] {
    const std::size_t size = (std::size_t{8} << 20) + 12'345;
    std::string text(size, ' ');
    for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('0' + i % 73);
    const File file = File::open(path(), O_RDWR | O_CREAT);
    file.write_at(text, 3);
    file.sync_data();
    EXPECT_TRUE(text_at(file, size + 10, 3) == text);
    // From the disk, too: what is dropped from memory is read by a thread.
    ::posix_fadvise(file.native_handle(), 0, 0, POSIX_FADV_DONTNEED);
    EXPECT_TRUE(text_at(file, size + 10, 3) == text);
    EXPECT_TRUE(read_file(path(), size + 3).substr(3) == text);
  });
}

TEST_F(Files, SayWhichOneAndWhy) {
  run([&] {
    const std::string missing = path("missing");
    EXPECT_EQ(error_of([&] { File::open(missing); }), std::errc::no_such_file_or_directory);
    EXPECT_THAT(message_of([&] { File::open(missing); }),
                AllOf(HasSubstr("open '" + missing + "'"), HasSubstr("No such file")));
    EXPECT_EQ(error_of([&] { File::open(std::string("/dev/null\0x", 11)); }),
              std::errc::invalid_argument);
    EXPECT_EQ(error_of([&] { File::open(path(""), O_WRONLY); }), std::errc::is_a_directory);
    const File folder = File::open(path(""));
    EXPECT_EQ(error_of([&] { text_at(folder, 1, 0); }), std::errc::is_a_directory);
    EXPECT_THAT(message_of([&] { text_at(folder, 1, 0); }), HasSubstr("read '" + path("") + "'"));

    const File full = File::open("/dev/full", O_RDWR);
    EXPECT_EQ(error_of([&] { full.write_at("x", 0); }), std::errc::no_space_on_device);
    EXPECT_THAT(message_of([&] { full.write_at("x", 0); }), HasSubstr("write '/dev/full'"));
    EXPECT_EQ(text_at(full, 3, 0), std::string(3, '\0'));

    const File file = File::open(write("text"));
    EXPECT_EQ(error_of([&] { file.write_at("x", 0); }), std::errc::bad_file_descriptor);
    EXPECT_EQ(error_of([&] { file.truncate(0); }), std::errc::invalid_argument);
    EXPECT_EQ(error_of([&] { text_at(file, 1, UINT64_MAX); }), std::errc::value_too_large);
    EXPECT_EQ(error_of([&] { File().size(); }), std::errc::bad_file_descriptor);
  });
}

// Whatever the direction, at once: nobody has the other end.
TEST_F(Files, APipeIsNone) {
  run([&] {
    ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
    for (const int flags : {O_RDONLY, O_WRONLY, O_RDWR, O_WRONLY | O_CREAT | O_TRUNC}) {
      timeout(std::chrono::seconds(10), [&] {
        EXPECT_EQ(error_of([&] { File::open(path("fifo"), flags); }), std::errc::invalid_seek);
      });
    }
    EXPECT_THAT(message_of([&] { read_file(path("fifo"), 10); }),
                HasSubstr("open '" + path("fifo") + "'"));
  });
}

TEST_F(Files, AreOpenedWithTheFlagsThatWereAskedFor) {
  run([&] {
    const File plain = File::open(path(), O_RDWR | O_CREAT | O_APPEND);
    const File other = File::open(path(), O_RDONLY | O_NONBLOCK);
    constexpr int kAll = O_ACCMODE | O_APPEND | O_NONBLOCK;
    EXPECT_EQ(::fcntl(plain.native_handle(), F_GETFL) & kAll, O_RDWR | O_APPEND);
    EXPECT_EQ(::fcntl(other.native_handle(), F_GETFL) & kAll, O_RDONLY | O_NONBLOCK);
    EXPECT_EQ(::fcntl(plain.native_handle(), F_GETFD), FD_CLOEXEC);
  });
}

TEST_F(Files, AreUsedByManyAtOnce) {
  run([&] {
    constexpr int kFibers = 100;
    constexpr std::size_t kSize = 10'000;
    const File file = File::open(path(), O_RDWR | O_CREAT);
    std::vector<Task<void>> tasks;
    for (int number = 0; number < kFibers; ++number) {
      tasks.push_back(spawn([&, number] {
        const std::string text(kSize, static_cast<char>('!' + number % 90));
        const std::uint64_t offset = static_cast<std::uint64_t>(number) * kSize;
        file.write_at(text, offset);
        if (number % 10 == 0) file.sync_data();
        EXPECT_TRUE(text_at(file, kSize, offset) == text);
        EXPECT_TRUE(read_file(path(), kFibers * kSize).substr(offset, kSize) == text);
      }));
    }
    for (Task<void>& each : tasks) each.get();
    EXPECT_EQ(file.size(), kFibers * kSize);
  });
}

TEST_F(Files, CloseWhileOthersUseThem) {
  run([&] {
    for (int i = 0; i < scaled(200); ++i) {
      File file = File::open(path(), O_RDWR | O_CREAT);
      std::vector<Task<std::error_code>> users;
      for (int user = 0; user < 4; ++user) {
        users.push_back(spawn([&] {
          return error_of([&] {
            for (;;) {
              file.write_at("text", 0);
              file.sync_data();
            }
          });
        }));
      }
      for (int turn = 0; turn < i % 5; ++turn) yield();
      file.close();
      for (Task<std::error_code>& user : users) {
        const std::error_code code = user.get();
        EXPECT_TRUE(code == std::errc::bad_file_descriptor || code == std::errc::operation_canceled)
            << code;
      }
      EXPECT_FALSE(file.is_open());
      EXPECT_EQ(file.native_handle(), -1);
    }
  });
}

TEST_F(Files, NeedAFiber) { EXPECT_THROW(File::open("/dev/null"), std::logic_error); }

// ---- Cancellation. One thread of the pool, which the test keeps busy.

Options one_thread() {
  Options options;
  options.blocking_threads = 1;
  return options;
}

TEST_F(Files, ACallThatWaitsForAThreadIsWithdrawn) {
  run(one_thread(), [&] {
    const File file = File::open(write("before"), O_RDWR);
    Event begun, go_on;
    Task<void> busy = spawn([&] {
      to_thread([&] {
        begun.set();
        go_on.wait();
      });
    });
    begun.wait();
    Task<void> queued = spawn([&] { file.truncate(0); });
    Task<void> creating = spawn([&] { File::open(path("new"), O_WRONLY | O_CREAT); });
    sleep_for(std::chrono::milliseconds(2));
    EXPECT_FALSE(queued.done());
    for (Task<void>* each : {&queued, &creating}) {
      each->cancel();
      EXPECT_THROW(each->get(), Cancelled);
    }
    go_on.set();
    busy.get();
    EXPECT_EQ(file.size(), 6U);
    EXPECT_THAT(names(), ElementsAre("file"));
  });
}

// A file that somebody has a lease on is opened when that is given back.
class Leased {
 public:
  explicit Leased(const std::string& path) : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    before_ = std::signal(SIGIO, SIG_IGN);  // how the holder is asked to give it back
    held_ = ::fcntl(fd_, F_SETLEASE, F_RDLCK) == 0;
  }
  ~Leased() {
    give_back();
    ::close(fd_);
    std::signal(SIGIO, before_);
  }
  Leased(const Leased&) = delete;
  Leased& operator=(const Leased&) = delete;

  bool held() const noexcept { return held_; }
  void give_back() const noexcept { ::fcntl(fd_, F_SETLEASE, F_UNLCK); }

 private:
  const int fd_;
  sighandler_t before_;
  bool held_ = false;
};

TEST_F(Files, OpeningOneUnderALeaseWaitsCancellably) {
  run(one_thread(), [&] {
    const Leased lease(write("text"));
    if (!lease.held()) GTEST_SKIP() << "no leases here";
    EXPECT_THROW(timeout(std::chrono::milliseconds(20), [&] { File::open(path(), O_WRONLY); }),
                 TimeoutError);
    EXPECT_EQ(error_of([&] { File::open(path(), O_WRONLY | O_NONBLOCK); }),
              std::errc::resource_unavailable_try_again);
    Task<File> opening = spawn([&] { return File::open(path(), O_RDWR); });
    sleep_for(std::chrono::milliseconds(5));
    EXPECT_FALSE(opening.done());
    EXPECT_EQ(File::open(path()).size(), 4U) << "the thread is not occupied";
    lease.give_back();
    EXPECT_EQ(text_at(opening.get(), 10, 0), "text");
  });
}

TEST_F(Files, ACancelledCallMovesNoPosition) {
  run(one_thread(), [&] {
    File file = File::open(write("0123456789"), O_RDWR);
    file.seek(3);
    Event begun, go_on;
    Task<void> busy = spawn([&] {
      to_thread([&] {
        begun.set();
        go_on.wait();
      });
    });
    begun.wait();
    bool written = false;
    Task<void> writer = spawn([&] {
      file.write_all("abc");
      written = true;
    });
    sleep_for(std::chrono::milliseconds(2));
    // Some file systems write at once, and some drivers carry out what was cancelled too late.
    writer.cancel();
    writer.join();
    EXPECT_EQ(file.position(), written ? 6U : 3U);
    go_on.set();
    busy.get();
    EXPECT_EQ(text_at(file, 10, 0), written ? "012abc6789" : "0123456789");
  });
}

}  // namespace
}  // namespace weft
