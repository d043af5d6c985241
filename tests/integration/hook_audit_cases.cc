#include "hook_audit_cases.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>
#include <weft/weft.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <thread>

extern char** environ;

namespace hook_audit {

namespace {

using namespace std::chrono_literals;

// ---- Signals, as they find a fiber that is blocked.

std::array<int, 2> g_told{};  // a pipe that handlers write to
std::array<int, 2> g_data{};  // a pipe that is empty, mostly
sigjmp_buf g_back;
volatile sig_atomic_t g_jumps = 0;

void tell(int) {
  (void)!::syscall(SYS_write, g_told[1], "s", 1);
  if (g_jumps != 0) ::siglongjmp(g_back, 1);
}

void handle_usr1(int flags) {
  struct sigaction action {};
  action.sa_handler = &tell;
  action.sa_flags = flags;
  ::sigfillset(&action.sa_mask);
  ::sigaction(SIGUSR1, &action, nullptr);
}

// The same mask as the kernel is told it, with nobody in between.
void mask_all_by_system_call() {
  struct {
    void* handler;
    unsigned long flags;
    void* restorer;
    std::uint64_t mask;
  } action{};
  (void)::syscall(SYS_rt_sigaction, SIGUSR1, nullptr, &action, 8);
  action.mask = ~std::uint64_t{0};
  (void)::syscall(SYS_rt_sigaction, SIGUSR1, &action, nullptr, 8);
}

bool was_told() {
  pollfd item{g_told[0], POLLIN, 0};
  const bool told = ::poll(&item, 1, 0) == 1;
  char byte = 0;
  return told && ::read(g_told[0], &byte, 1) == 1;
}

// While the caller is in `call`, a signal for its thread, and then a byte.
template <class Call>
void interrupt(const char* what, Call call) {
  const pthread_t self = ::pthread_self();
  std::thread other([self] {
    std::this_thread::sleep_for(50ms);
    ::pthread_kill(self, SIGUSR1);
    std::this_thread::sleep_for(50ms);
    (void)!::write(g_data[1], "d", 1);
  });
  errno = 0;
  const long result = call();
  const int error = errno;
  weft::to_thread([&] { other.join(); });
  char byte = 0;
  const bool left = ::syscall(SYS_ioctl, g_data[0], FIONREAD, &byte) == 0 && byte != 0;
  if (left) (void)!::read(g_data[0], &byte, 1);
  std::printf("%s: %ld, errno %d, told %d, left %d\n", what, result, result < 0 ? error : 0,
              was_told() ? 1 : 0, left ? 1 : 0);
}

long read_raw() {
  char byte = 0;
  return ::syscall(SYS_read, g_data[0], &byte, 1);
}

// It returns to code that has all signals blocked.
void leave_all_blocked(int, siginfo_t*, void* context) {
  ::sigfillset(&static_cast<ucontext_t*>(context)->uc_sigmask);
}

sigset_t all_but_usr1() {
  sigset_t mask;
  ::sigfillset(&mask);
  ::sigdelset(&mask, SIGUSR1);
  return mask;
}

bool is_blocked(int signal) {
  sigset_t mask;
  ::pthread_sigmask(SIG_BLOCK, nullptr, &mask);
  return ::sigismember(&mask, signal) == 1;
}

void block_all_signals() {
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const bool blocked = is_blocked(SIGUSR1);
  const long failed = ::syscall(SYS_read, -1, nullptr, 0);
  const int error = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  std::printf("all blocked: %d, then %d; a bad read: %ld, errno %d\n", blocked ? 1 : 0,
              is_blocked(SIGUSR1) ? 1 : 0, failed, error);
}

void return_with_all_blocked() {
  struct sigaction action {};
  action.sa_sigaction = &leave_all_blocked;
  action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGUSR2, &action, nullptr);
  ::raise(SIGUSR2);
  const bool blocked = is_blocked(SIGUSR1);
  sigset_t none;
  ::sigemptyset(&none);
  ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
  std::printf("left blocked: %d, then %d\n", blocked ? 1 : 0, is_blocked(SIGUSR1) ? 1 : 0);
}

// In a fiber, and in a plain thread.
void handle_usr1_by(bool fiber, int flags) {
  if (fiber) {
    handle_usr1(flags);
    mask_all_by_system_call();
  } else {
    weft::to_thread([flags] { handle_usr1(flags); });
  }
}

}  // namespace

void meet_signals() {
  const weft::PinScope pin;  // the signals are for the thread
  if (::pipe(g_told.data()) != 0 || ::pipe(g_data.data()) != 0) std::abort();
  block_all_signals();
  return_with_all_blocked();
  for (const int stack : {0, SA_ONSTACK}) {
    const bool by_fiber = stack == 0;
    handle_usr1_by(by_fiber, stack);
    interrupt("read", &read_raw);
    interrupt("sigsuspend", [] {
      const sigset_t mask = all_but_usr1();
      return ::syscall(SYS_rt_sigsuspend, &mask, 8);
    });
    interrupt("ppoll", [] {
      const sigset_t mask = all_but_usr1();
      timespec time{10, 0};
      return ::syscall(SYS_ppoll, nullptr, 0, &time, &mask, 8);
    });
    handle_usr1_by(by_fiber, stack | SA_RESTART);
    interrupt("read, restarted", &read_raw);
    g_jumps = 1;
    interrupt("read, left by a jump",
              [] { return ::sigsetjmp(g_back, 1) == 0 ? read_raw() : -100; });
    g_jumps = 0;
    interrupt("read, after the jump", &read_raw);
    ::raise(SIGUSR1);
    std::printf("raised: %d\n", was_told() ? 1 : 0);
  }
  stack_t signal_stack{};
  ::sigaltstack(nullptr, &signal_stack);
  std::printf("on the signal stack: %d\n", (signal_stack.ss_flags & SS_ONSTACK) != 0 ? 1 : 0);
  const long none = ::syscall(100'000);
  std::printf("no such call: %ld, errno %d\n", none, errno);
}

// ---- Processes and threads that a fiber makes.

namespace {

int exit_code_of(pid_t process) {
  int status = 0;
  if (process < 0 || ::waitpid(process, &status, 0) != process) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

[[gnu::noinline]] pid_t fork_one() {
  const pid_t process = ::fork();
  if (process == 0) {
    ::usleep(1'000);
    ::_exit(::getpid() == ::syscall(SYS_getpid) ? 7 : 1);
  }
  return process;
}

[[gnu::noinline]] pid_t vfork_one() {
  volatile std::uint64_t kept = 0x1234;
  // NOLINTNEXTLINE(clang-analyzer-security.insecureAPI.vfork): it is what is tried
  const pid_t process = ::vfork();
  if (process == 0) {
    // Its calls push over what is below the parent's frame.
    ::execl("/nonexistent", "nonexistent", nullptr);
    ::_exit(8);
  }
  return kept == 0x1234 ? process : -1;
}

pid_t spawn_one() {
  char name[] = "sh";
  char option[] = "-c";
  char script[] = "exit 9";
  char* const arguments[] = {name, option, script, nullptr};
  pid_t process = -1;
  const int error = ::posix_spawn(&process, "/bin/sh", nullptr, nullptr, arguments, environ);
  return error == 0 ? process : -1;
}

}  // namespace

void make_children() {
  for (int i = 0; i < 20; ++i) {
    const int forked = exit_code_of(fork_one());
    const int vforked = exit_code_of(vfork_one());
    const int spawned = exit_code_of(spawn_one());
    int by_thread = 0;
    std::thread thread([&by_thread] {
      ::usleep(100);
      by_thread = 10;
    });
    weft::to_thread([&] { thread.join(); });
    std::printf("fork %d, vfork %d, spawn %d, thread %d\n", forked, vforked, spawned, by_thread);
  }
  pid_t missing = -1;
  char* const none[] = {nullptr};
  std::printf("spawn of nothing: %d\n",
              ::posix_spawn(&missing, "/nonexistent", nullptr, nullptr, none, environ));
}

// ---- What a system call leaves alone.

#if defined(__x86_64__)
namespace {

struct Kept {
  std::uint64_t registers = 0;  // rbx, r12 to r15: a bit each, if changed
  std::uint64_t red_zone = 0;   // first and last word
  long result = 0;
};

[[gnu::noinline]] Kept call_and_compare(long number) {
  Kept kept;
  asm volatile(
      "lea -256(%%rsp), %%rsp\n"  // what is below is the compiler's
      "mov $0x101, %%rbx\n"
      "mov $0x112, %%r12\n"
      "mov $0x113, %%r13\n"
      "mov $0x114, %%r14\n"
      "mov $0x115, %%r15\n"
      "movq $0x708, -8(%%rsp)\n"
      "movq $0x780, -128(%%rsp)\n"
      "syscall\n"
      "xor $0x101, %%rbx\n"
      "xor $0x112, %%r12\n"
      "xor $0x113, %%r13\n"
      "xor $0x114, %%r14\n"
      "xor $0x115, %%r15\n"
      "or %%r12, %%rbx\n"
      "or %%r13, %%rbx\n"
      "or %%r14, %%rbx\n"
      "or %%r15, %%rbx\n"
      "mov -8(%%rsp), %%r12\n"
      "xor $0x708, %%r12\n"
      "mov -128(%%rsp), %%r13\n"
      "xor $0x780, %%r13\n"
      "or %%r13, %%r12\n"
      "lea 256(%%rsp), %%rsp\n"
      "mov %%rbx, %[registers]\n"
      "mov %%r12, %[red_zone]\n"
      : "=a"(kept.result), [registers] "=&D"(kept.registers), [red_zone] "=&S"(kept.red_zone)
      : "a"(number)
      : "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc");
  return kept;
}

}  // namespace

// One that is looked at, and one that is not.
void keep_registers() {
  for (const long number : {SYS_getppid, SYS_sched_yield}) {
    const Kept kept = call_and_compare(number);
    std::printf("%ld: changed %llx and %llx, result %d\n", number,
                static_cast<unsigned long long>(kept.registers),
                static_cast<unsigned long long>(kept.red_zone), kept.result >= 0 ? 1 : 0);
  }
}
#else
void keep_registers() {}
#endif

}  // namespace hook_audit
