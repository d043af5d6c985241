// getaddrinfo(3) and its like. They are answered by files, name servers and whatever modules the
// system is set up with, all inside libc; so in a fiber they are made on a thread that may block.

#include <netdb.h>
#include <weft/error.h>
#include <weft/pin.h>
#include <weft/to_thread.h>

#include <cstring>
#include <memory>
#include <optional>
#include <string>

#include "hook/caller.h"
#include "hook/held_locks.h"
#include "hook/libc.h"
#include "sched/wait.h"

namespace weft::hook {

namespace {

WEFT_LIBC(freeaddrinfo);
WEFT_LIBC(getaddrinfo);
WEFT_LIBC(getnameinfo);
WEFT_LIBC(gethostbyaddr);
WEFT_LIBC(gethostbyaddr_r);
WEFT_LIBC(gethostbyname);
WEFT_LIBC(gethostbyname2);
WEFT_LIBC(gethostbyname2_r);
WEFT_LIBC(gethostbyname_r);

// Owns all it needs: a fiber that is cancelled leaves, and the thread finds its answer, or the name
// servers' silence, when it does.
struct Question {
  Question(const char* host_name, const char* service_name, const addrinfo* wanted)
      : host(copy(host_name)), service(copy(service_name)) {
    if (wanted != nullptr) hints = *wanted;
  }
  ~Question() {
    if (answer != nullptr) libc_freeaddrinfo(answer);
  }
  Question(const Question&) = delete;
  Question& operator=(const Question&) = delete;

  static std::optional<std::string> copy(const char* text) {
    return text == nullptr ? std::nullopt : std::optional<std::string>(text);
  }
  static const char* text(const std::optional<std::string>& copied) noexcept {
    return copied.has_value() ? copied->c_str() : nullptr;
  }
  void ask() {
    errno = 0;
    result =
        libc_getaddrinfo(text(host), text(service), hints.has_value() ? &*hints : nullptr, &answer);
    error = errno;
  }

  const std::optional<std::string> host;
  const std::optional<std::string> service;
  std::optional<addrinfo> hints;
  addrinfo* answer = nullptr;
  int result = 0;
  int error = 0;
};

int ask_on_thread(const char* host, const char* service, const addrinfo* hints, addrinfo** answer) {
  const auto question = std::make_shared<Question>(host, service, hints);
  const PinScope pin;
  const SuspensionScope suspension;
  weft::to_thread([question] { question->ask(); });
  errno = question->error;
  if (question->result == 0) *answer = std::exchange(question->answer, nullptr);
  return question->result;
}

// Those that answer into memory of the caller's, or of libc's: the fiber waits for the end. h_errno
// is the thread's.
template <class Call>
bool ask_in_place(Call call) {
  int error = 0;
  auto once = [&]() noexcept {
    call();
    error = h_errno;
  };
  const bool made = on_thread(once);
  h_errno = made ? error : TRY_AGAIN;
  return made;
}

template <class Function, class... Arguments>
hostent* find_host(Function& function, Arguments... arguments) {
  if (!in_fiber()) return function(arguments...);
  hostent* found = nullptr;
  ask_in_place([&] { found = function(arguments...); });
  return found;
}

// The reentrant ones return an errno.
template <class Function, class... Arguments>
int find_host_again(Function& function, hostent** found, int* failure, Arguments... arguments) {
  if (!in_fiber()) return function(arguments..., found, failure);
  int result = 0;
  if (ask_in_place([&] { result = function(arguments..., found, failure); })) return result;
  *found = nullptr;
  *failure = TRY_AGAIN;
  return errno;
}

}  // namespace
}  // namespace weft::hook

using namespace weft::hook;  // NOLINT(google-build-using-namespace): the rest is C

extern "C" {

int getaddrinfo(const char* host, const char* service, const addrinfo* hints, addrinfo** answer) {
  if (!in_fiber()) return libc_getaddrinfo(host, service, hints, answer);
  const ErrnoScope scope;
  try {
    const int result = ask_on_thread(host, service, hints, answer);
    return result == 0 ? scope.succeed(0) : result;
  } catch (const weft::Cancelled&) {
    weft::detail::put_cancellation_back();
    errno = ECANCELED;
    return EAI_SYSTEM;
  } catch (...) {
    return EAI_MEMORY;
  }
}

int getnameinfo(const sockaddr* address, socklen_t size, char* host, socklen_t host_room,
                char* service, socklen_t service_room, int flags) {
  int result = 0;
  auto call = [&]() noexcept {
    result = libc_getnameinfo(address, size, host, host_room, service, service_room, flags);
  };
  if (!in_fiber()) {
    call();
    return result;
  }
  return on_thread(call) ? result : EAI_SYSTEM;
}

hostent* gethostbyname(const char* name) { return find_host(libc_gethostbyname, name); }
hostent* gethostbyname2(const char* name, int family) {
  return find_host(libc_gethostbyname2, name, family);
}
hostent* gethostbyaddr(const void* address, socklen_t size, int family) {
  return find_host(libc_gethostbyaddr, address, size, family);
}

int gethostbyname_r(const char* name, hostent* into, char* buffer, size_t room, hostent** found,
                    int* failure) {
  return find_host_again(libc_gethostbyname_r, found, failure, name, into, buffer, room);
}
int gethostbyname2_r(const char* name, int family, hostent* into, char* buffer, size_t room,
                     hostent** found, int* failure) {
  return find_host_again(libc_gethostbyname2_r, found, failure, name, family, into, buffer, room);
}
int gethostbyaddr_r(const void* address, socklen_t size, int family, hostent* into, char* buffer,
                    size_t room, hostent** found, int* failure) {
  return find_host_again(libc_gethostbyaddr_r, found, failure, address, size, family, into, buffer,
                         room);
}

}  // extern "C"
