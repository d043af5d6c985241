// Goal: a process starts as it is told to, with nothing of this one's that it was not given, and
// what keeps it from starting is told. Method: shells and small programs that every system has.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <sstream>

#include "support/children.h"
#include "support/process_state.h"
#include "support/tcp.h"
#include "support/temporary_folder.h"

namespace weft {
namespace {

using namespace support;

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::size_t kRoom = 1 << 20;

/// What a program writes to its standard output, up to its end.
std::string output_of(const std::vector<std::string>& argv, ProcessOptions options = {}) {
  options.out = Stdio::pipe();
  Process process = Process::spawn(argv, options);
  std::string text = process.out().read_to_end(kRoom);
  EXPECT_EQ(process.wait().to_string(), "exited with code 0");
  return text;
}

class Folder : public TemporaryFolder {
 public:
  /// A file in it, with such permissions.
  std::string file(const std::string& name, const std::string& text, mode_t mode) const {
    std::string at = write(name, text);
    EXPECT_EQ(::chmod(at.c_str(), mode), 0);
    return at;
  }
};

TEST(Process, TellsHowItEnded) {
  run([] {
    const ExitStatus three = Process::spawn(sh("exit 3")).wait();
    EXPECT_EQ(three.code(), 3);
    EXPECT_EQ(three.signal(), std::nullopt);
    EXPECT_FALSE(three.success());
    EXPECT_EQ(three.to_string(), "exited with code 3");
    const ExitStatus killed = Process::spawn(sh("kill -TERM $$")).wait();
    EXPECT_EQ(killed.code(), std::nullopt);
    EXPECT_EQ(killed.signal(), SIGTERM);
    EXPECT_FALSE(killed.success());
    EXPECT_EQ(killed.to_string(), "killed by SIGTERM");
    EXPECT_TRUE(Process::spawn({"true"}).wait().success());
  });
  EXPECT_TRUE(has_no_children());
}

TEST(Process, ThatCannotStartSaysWhy) {
  run([] {
    const Folder folder;
    const auto error = [](const std::vector<std::string>& argv, ProcessOptions options = {}) {
      return error_of([&] { Process::spawn(argv, options); });
    };
    const auto message = [](const std::vector<std::string>& argv, ProcessOptions options = {}) {
      return message_of([&] { Process::spawn(argv, options); });
    };
    const std::size_t before = process_counts().descriptors;
    const ProcessOptions pipes{.in = Stdio::pipe(), .out = Stdio::pipe(), .err = Stdio::pipe()};
    EXPECT_EQ(error({"no-such-program"}, pipes), std::errc::no_such_file_or_directory);
    EXPECT_THAT(message({"no-such-program"}), HasSubstr("start 'no-such-program'"));
    EXPECT_EQ(error({folder.path()}, pipes), std::errc::permission_denied);
    const std::string plain = folder.file("plain", "#!/bin/sh\n", 0644);
    EXPECT_EQ(error({plain}), std::errc::permission_denied);
    EXPECT_THAT(message({plain}), HasSubstr("'" + plain + "'"));
    EXPECT_EQ(error({folder.file("nonsense", "\1\2\3", 0755)}), std::errc::executable_format_error);
    EXPECT_EQ(error({""}), std::errc::no_such_file_or_directory);

    EXPECT_THAT(message({"true"}, {.directory = "/no/such"}),
                HasSubstr("start 'true': no working directory '/no/such'"));
    EXPECT_THAT(message({"no-such-program"}, {.directory = "/"}), HasSubstr("in '/'"));
    EXPECT_EQ(error({"true"}, {.out = Stdio::descriptor(-1)}), std::errc::bad_file_descriptor);
    EXPECT_THAT(message({"true"}, {.out = Stdio::descriptor(9999)}), HasSubstr("descriptor 9999"));
    EXPECT_LE(process_counts().descriptors, before) << "less: those of earlier tests' children";
  });
  EXPECT_TRUE(soon_has_no_children());
}

TEST(Process, RefusesWhatCannotBeMeant) {
  const auto message = [](const std::vector<std::string>& argv, ProcessOptions options = {}) {
    return message_of([&] { Process::spawn(argv, options); });
  };
  EXPECT_THAT(message({}), HasSubstr("no program"));
  EXPECT_THAT(message({"true", std::string("a\0b", 3)}), HasSubstr("NUL byte in the argument 'a'"));
  EXPECT_THAT(message({"true"}, {.environment = {{{"A=B", "c"}}}}), HasSubstr("'A=B'"));
  EXPECT_THAT(message({"true"}, {.environment = {{{"", "c"}}}}), HasSubstr("environment"));
  EXPECT_THAT(message({"true"}, {.environment = {{{"A", std::string("\0", 1)}}}}),
              HasSubstr("NUL byte"));
  EXPECT_THAT(message({"true"}, {.out = Stdio::output()}), HasSubstr("only standard error"));
}

TEST(Process, GetsItsArgumentsAsTheyAre) {
  run([] {
    const std::vector<std::string> odd = {"",  " two words ", "$HOME",   "a\nb",
                                          "*", "\\",          "\xff\xc3"};
    std::string expected;
    for (const std::string& argument : odd) expected += "<" + argument + ">";
    EXPECT_EQ(output_of(sh("printf '<%s>' \"$@\"", odd)), expected);
  });
}

TEST(Process, GetsAnEnvironmentOfItsOwn) {
  run([] {
    ::setenv("WEFT_TEST_INHERITED", "yes", 1);
    EXPECT_EQ(output_of(sh("printf %s \"$WEFT_TEST_INHERITED\"")), "yes");
    const ProcessOptions odd{
        .environment = {
            {{"EMPTY", ""}, {"LINES", "a\nb"}, {"EQUALS", "x=y=z"}, {"BYTES", "\xff"}}}};
    std::string text = output_of({"/usr/bin/env", "-0"}, odd);
    std::vector<std::string> variables;
    std::istringstream parts(text);
    for (std::string one; std::getline(parts, one, '\0');) variables.push_back(one);
    EXPECT_THAT(variables, testing::UnorderedElementsAre("EMPTY=", "LINES=a\nb", "EQUALS=x=y=z",
                                                         "BYTES=\xff"));
    EXPECT_EQ(
        output_of({"/usr/bin/env", "-0"}, {.environment = std::map<std::string, std::string>()}),
        "");
  });
}

TEST(Process, WorksWhereItIsTold) {
  run([] {
    const Folder folder;
    folder.file("program", "#!/bin/sh\npwd\n", 0755);
    EXPECT_EQ(output_of({"./program"}, {.directory = folder.path()}), folder.path() + "\n");
  });
}

TEST(Process, TalksThroughPipes) {
  run([] {
    Process process =
        Process::spawn(sh("read line; echo \"out $line\"; echo \"err $line\" >&2; cat"),
                       {.in = Stdio::pipe(), .out = Stdio::pipe(), .err = Stdio::pipe()});
    process.in().write_all("one\n");
    EXPECT_EQ(process.out().read_until("\n"), "out one\n");
    EXPECT_EQ(process.err().read_until("\n"), "err one\n");
    process.in().write_all("two");
    process.in().close();
    EXPECT_EQ(process.out().read_to_end(kRoom), "two");
    EXPECT_TRUE(process.wait().success());
    Process other = Process::spawn({"true"});
    EXPECT_EQ(error_of([&] { other.out().read_to_end(1); }), std::errc::bad_file_descriptor);
    other.wait();
  });
}

TEST(Process, WritesWhereItIsTold) {
  run([] {
    const Folder folder;
    const int file = ::open((folder.path() + "/file").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    EXPECT_TRUE(Process::spawn(sh("echo one; echo two >&2"),
                               {.out = Stdio::descriptor(file), .err = Stdio::output()})
                    .wait()
                    .success());
    char text[20] = {};
    EXPECT_EQ(::pread(file, text, sizeof(text), 0), 8);
    EXPECT_STREQ(text, "one\ntwo\n");
    ::close(file);
    EXPECT_EQ(output_of({"cat"}, {.in = Stdio::null()}), "");
    EXPECT_EQ(output_of(sh("echo x >&2"), {.err = Stdio::null()}), "");
    EXPECT_EQ(output_of(sh("echo x >&2"), {.err = Stdio::output()}), "x\n");
  });
}

// Each number is the other's source.
TEST(Process, TakesStreamsThatAreExchanged) {
  run([] {
    Pipe out = Pipe::open();
    Pipe err = Pipe::open();
    const int saved[] = {::fcntl(1, F_DUPFD_CLOEXEC, 10), ::fcntl(2, F_DUPFD_CLOEXEC, 10)};
    ::dup2(out.writer.native_handle(), 1);
    ::dup2(err.writer.native_handle(), 2);
    Process process = Process::spawn(sh("echo out; echo err >&2"),
                                     {.out = Stdio::descriptor(2), .err = Stdio::descriptor(1)});
    ::dup2(saved[0], 1);
    ::dup2(saved[1], 2);
    for (const int fd : saved) ::close(fd);
    EXPECT_TRUE(process.wait().success());
    out.writer.close();
    err.writer.close();
    EXPECT_EQ(out.reader.read_to_end(kRoom), "err\n");
    EXPECT_EQ(err.reader.read_to_end(kRoom), "out\n");
  });
}

TEST(Process, InheritsNoDescriptors) {
  run([] {
    const int open = ::open("/dev/null", O_RDONLY);  // not closed on exec
    const int high = ::fcntl(open, F_DUPFD, 500);
    TcpListener listener = TcpListener::bind("127.0.0.1", 0);
    Process other = Process::spawn({"cat"}, {.in = Stdio::pipe(), .out = Stdio::pipe()});
    const auto list = [](bool close_others) {
      std::istringstream words(output_of({"ls", "/proc/self/fd"}, {.close_others = close_others}));
      return std::vector<std::string>(std::istream_iterator<std::string>(words), {});
    };
    EXPECT_THAT(list(true), ElementsAre("0", "1", "2", "3")) << "3 is the folder that ls reads";
    EXPECT_THAT(list(false), AllOf(testing::Contains("500"), testing::SizeIs(testing::Le(10U))));
    ::close(open);
    ::close(high);
  });
}

TEST(Process, LeavesNoDescriptorsBehind) {
  run([] {
    const ProcessOptions pipes{.in = Stdio::pipe(), .out = Stdio::pipe(), .err = Stdio::pipe()};
    Process::spawn({"true"}, pipes).wait();
    const std::size_t before = process_counts().descriptors;
    for (int i = 0; i < 10; ++i) Process::spawn({"true"}, pipes).wait();
    EXPECT_LE(process_counts().descriptors, before) << "less: those of earlier tests' children";
  });
}

TEST(Process, StartsWithSignalsAsTheyUsuallyAre) {
  run([] {
    const auto before = ::signal(SIGPIPE, SIG_IGN);
    ::signal(SIGUSR2, SIG_IGN);
    const Signals caught{SIGUSR1};
    sigset_t blocked;
    sigset_t mask;
    ::sigemptyset(&blocked);
    ::sigaddset(&blocked, SIGHUP);
    std::string status;
    {
      const PinScope pin;
      ::pthread_sigmask(SIG_BLOCK, &blocked, &mask);
      Process process = Process::spawn({"cat", "/proc/self/status"}, {.out = Stdio::pipe()});
      ::pthread_sigmask(SIG_SETMASK, &mask, nullptr);
      status = process.out().read_to_end(kRoom);
      process.wait();
    }
    ::signal(SIGPIPE, before);
    ::signal(SIGUSR2, SIG_DFL);
    const auto bits = [&](const std::string& key) {
      return std::stoull(status.substr(status.find(key) + key.size()), nullptr, 16);
    };
    EXPECT_EQ(bits("SigBlk:"), 0U);
    EXPECT_EQ(bits("SigCgt:"), 0U);
    EXPECT_EQ(bits("SigIgn:") & (1ULL << (SIGPIPE - 1)), 0U);
    EXPECT_NE(bits("SigIgn:") & (1ULL << (SIGUSR2 - 1)), 0U) << "as nohup wants";
  });
}

TEST(Process, MayHaveAGroupOrASessionOfItsOwn) {
  run([] {
    const auto ids = [](const ProcessOptions& options) {
      ProcessOptions with_pipe = options;
      with_pipe.out = Stdio::pipe();
      Process process = Process::spawn(sh("cut -d' ' -f5,6 /proc/$$/stat"), with_pipe);
      std::istringstream words(process.out().read_to_end(kRoom));
      int group = 0;
      int session = 0;
      words >> group >> session;
      EXPECT_TRUE(process.wait().success());
      return std::pair(group == process.pid(), session == process.pid());
    };
    EXPECT_EQ(ids({}), std::pair(false, false));
    EXPECT_EQ(ids({.new_group = true}), std::pair(true, false));
    EXPECT_EQ(ids({.new_session = true}), std::pair(true, true));
  });
}

TEST(Process, StartsFromAPlainThread) {
  Process process = Process::spawn({"true"});
  EXPECT_TRUE(eventually([&] { return process.try_wait().has_value(); }));
  EXPECT_TRUE(process.try_wait()->success());
  EXPECT_FALSE(process.kill());
  Process other = Process::spawn({"true"});
  EXPECT_THROW(other.wait(), std::logic_error);
}

class ProcessDeathTest : public testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

// The null device is given standard input's number, which is set before it is copied from there.
bool writes_to_null_from_number_0() {
  Pipe in = Pipe::open();
  const int high = ::fcntl(in.reader.native_handle(), F_DUPFD_CLOEXEC, 100);
  in.reader.close();
  in.writer.close();
  for (int fd = 0; fd < 3; ++fd) ::close(fd);
  Process process =
      Process::spawn(sh("cat; echo x"), {.in = Stdio::descriptor(high), .out = Stdio::null()});
  return process.wait().success();
}

// Pipes are given the numbers of the streams then.
TEST_F(ProcessDeathTest, StartsWhereTheStandardStreamsAreClosed) {
  EXPECT_EXIT(
      {
        const bool right = run([] {
          for (int fd = 0; fd < 3; ++fd) ::close(fd);
          Process process =
              Process::spawn(sh("cat; echo err >&2"),
                             {.in = Stdio::pipe(), .out = Stdio::pipe(), .err = Stdio::pipe()});
          process.in().write_all("through");
          process.in().close();
          return process.out().read_to_end(kRoom) == "through" &&
                 process.err().read_to_end(kRoom) == "err\n" && process.wait().success() &&
                 writes_to_null_from_number_0();
        });
        ::_exit(right ? 3 : 4);
      },
      testing::ExitedWithCode(3), "");
}

}  // namespace
}  // namespace weft
