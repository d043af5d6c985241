// What the audit's test runs: `hook_audit_program WHAT` does it in fibers, and tells what came of
// it on standard output.

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <weft/hook.h>
#include <weft/weft.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "hook_audit_cases.h"

namespace {

using namespace std::chrono_literals;

// Long enough to be seen by either means on a busy machine.
constexpr auto kWhile = 200ms;

std::array<int, 2> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe(ends.data()) != 0) std::abort();
  return ends;
}
std::array<int, 2> make_pair() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) != 0) std::abort();
  return ends;
}

// A plain thread's.
std::thread later(std::function<void()> action) {
  return std::thread([action = std::move(action)] {
    std::this_thread::sleep_for(kWhile);
    action();
  });
}

}  // namespace

// ---- What blocks a worker. Their names are looked for in the report.

[[gnu::noinline]] long sleep_by_system_call(std::chrono::nanoseconds time) {
  timespec span{0, time.count()};
  errno = 0;
  const long result = ::syscall(SYS_nanosleep, &span, nullptr);
  std::printf("nanosleep: %ld, errno %d\n", result, errno);
  return result;
}

[[gnu::noinline]] ssize_t read_by_system_call(int fd) {
  char byte = 0;
  const ssize_t count = ::syscall(SYS_read, fd, &byte, 1);
  std::printf("read: %zd, '%c'\n", count, byte);
  return count;
}

[[gnu::noinline]] void read_by_stdio(std::FILE* file) {
  std::array<char, 32> line{};
  const char* const got = std::fgets(line.data(), line.size(), file);
  std::printf("fgets: %s", got != nullptr ? got : "none\n");
}

[[gnu::noinline]] void sleep_for_less() {
  sleep_by_system_call(kWhile / 3);
  std::puts("for less");
}
[[gnu::noinline]] void sleep_for_more() {
  sleep_by_system_call(kWhile);
  std::puts("for more");
}

// The last of these are the same to the register; the first differ in what syscall(2) has not been
// given.
[[gnu::noinline]] void sleep_in_a_loop() {
  timespec span{0, std::chrono::nanoseconds(kWhile / 2).count()};
  for (int i = 0; i < 6; ++i) {
    if (::syscall(SYS_nanosleep, &span, nullptr) != 0) std::puts("cut short");
  }
}

// A function that the linker exports for nobody.
[[gnu::noinline]] static void lock_a_threads_mutex(std::mutex& mutex) {
  mutex.lock();
  std::printf("lock: taken\n");
  mutex.unlock();
}

namespace {

void block_by_sleep() { sleep_by_system_call(kWhile); }

void block_by_read() {
  const auto [from, to] = make_pipe();
  std::thread writer = later([to = to] { (void)!::write(to, "x", 1); });
  read_by_system_call(from);
  weft::to_thread([&] { writer.join(); });
}

void block_by_stdio() {
  const auto [here, there] = make_pair();
  std::thread writer = later([there = there] { (void)!::write(there, "line\n", 5); });
  std::FILE* const file = ::fdopen(here, "r");
  read_by_stdio(file);
  weft::to_thread([&] { writer.join(); });
  std::fclose(file);
}

void block_by_mutex() {
  std::mutex mutex;
  mutex.lock();
  weft::Event locked;
  std::thread holder([&] {
    std::this_thread::sleep_for(kWhile);
    mutex.unlock();
  });
  lock_a_threads_mutex(mutex);
  weft::to_thread([&] { holder.join(); });
}

void block_in_all_ways() {
  for (auto* const way : {&block_by_sleep, &block_by_read, &block_by_stdio, &block_by_mutex}) {
    weft::spawn({.name = "blocker"}, way).get();
  }
}

void block_again_and_again() {
  for (int i = 0; i < 3; ++i) weft::spawn(block_by_sleep).get();
  sleep_in_a_loop();
}

void block_for_less_and_more() {
  sleep_for_less();
  sleep_for_more();
}

void ask_in_between() {
  const std::string before = weft::hook_audit_report();
  weft::spawn(block_by_sleep).get();
  const std::string after = weft::hook_audit_report();
  std::printf("audited: %d, before: %d, after: %d\n", weft::hook_audit_runs() ? 1 : 0,
              before.find("nanosleep") != std::string::npos ? 1 : 0,
              after.find("sleep_by_system_call") != std::string::npos ? 1 : 0);
}

// ---- What does not, because it is hooked.

void read_slowly() {
  const auto [from, to] = make_pipe();
  std::thread writer = later([to = to] { (void)!::write(to, "x", 1); });
  char byte = 0;
  std::printf("read: %zd\n", ::read(from, &byte, 1));
  weft::to_thread([&] { writer.join(); });
}

void poll_slowly() {
  const auto [here, there] = make_pair();
  std::thread writer = later([there = there] { (void)!::write(there, "x", 1); });
  pollfd item{here, POLLIN, 0};
  std::printf("poll: %d\n", ::poll(&item, 1, 10'000));
  weft::to_thread([&] { writer.join(); });
  std::printf("poll, nothing: %d\n", ::poll(nullptr, 0, 50));
}

void sleep_slowly() { std::printf("usleep: %d\n", ::usleep(50'000)); }

void connect_and_accept() {
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
  auto* const bare = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof(address);
  if (::bind(listener, bare, size) != 0 || ::listen(listener, 1) != 0 ||
      ::getsockname(listener, bare, &size) != 0) {
    std::abort();
  }
  weft::Task<int> peer = weft::spawn([listener] { return ::accept(listener, nullptr, nullptr); });
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  std::printf("connect: %d\n", ::connect(fd, bare, sizeof(address)));
  const int accepted = peer.get();
  const std::string much(1 << 20, 'm');
  weft::Task<ssize_t> sent =
      weft::spawn([&] { return ::send(accepted, much.data(), much.size(), 0); });
  std::string got(much.size(), '\0');
  std::printf("recv: %zd\n", ::recv(fd, got.data(), got.size(), MSG_WAITALL));
  std::printf("send: %zd\n", sent.get());
  for (const int each : {listener, fd, accepted}) ::close(each);
}

void look_a_name_up() {
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo("localhost", "80", nullptr, &found);
  std::printf("getaddrinfo: %d\n", error);
  if (error == 0) ::freeaddrinfo(found);
}

// Takes its time, and never sleeps.
void copy_much() {
  const int zeros = ::open("/dev/zero", O_RDONLY);
  std::string much(32 << 20, 'm');
  std::printf("zeros: %ld\n", ::syscall(SYS_read, zeros, much.data(), much.size()));
  ::close(zeros);
}

void call_what_is_hooked() {
  copy_much();
  read_slowly();
  poll_slowly();
  sleep_slowly();
  connect_and_accept();
  look_a_name_up();
}

}  // namespace

int main(int argc, char** argv) {
  const std::map<std::string, void (*)()> all = {
      {"block", &block_in_all_ways},
      {"repeat", &block_again_and_again},
      {"less and more", &block_for_less_and_more},
      {"ask", &ask_in_between},
      {"hooked", &call_what_is_hooked},
      {"signals", &hook_audit::meet_signals},
      {"children", &hook_audit::make_children},
      {"registers", &hook_audit::keep_registers},
  };
  const auto found = all.find(argc == 2 ? argv[1] : "");
  if (found == all.end()) return 2;
  weft::run(found->second);
  return 0;
}
