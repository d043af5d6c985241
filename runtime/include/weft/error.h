#pragma once

#ifndef __cpp_exceptions
#error "weft tells of errors and cancellation by exceptions: compile without -fno-exceptions"
#endif

#include <cstddef>
#include <exception>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

namespace weft {

/// Thrown at a suspension point in a fiber that has been asked to stop (`Task::cancel`, an expired
/// `timeout`, the end of the runtime). Deliberately no std::exception, so that `catch (const
/// std::exception&)` does not swallow it. Catch it to clean up and throw it on; a fiber that
/// catches it and returns has ended normally. Not thrown while another exception unwinds the stack;
/// otherwise a destructor that suspends has to catch it, as any exception.
class Cancelled {
 public:
  const char* what() const noexcept { return "weft::Cancelled: the task was asked to stop"; }
};

/// Thrown by `timeout` when its time was up and the body ended because of that, and by a step of
/// `as_completed` that would take longer than its limit.
class TimeoutError : public std::runtime_error {
 public:
  TimeoutError() : std::runtime_error("weft::TimeoutError: the time allowed is over") {}
};

/// Nothing can be sent into a channel that is closed, nor can it be closed again.
class ChannelClosed : public std::runtime_error {
 public:
  ChannelClosed() : std::runtime_error("weft::ChannelClosed: the channel is closed") {}
};

/// What a task ends with when there was no memory for its stack: it has not run.
class StackAllocationError : public std::bad_alloc {
 public:
  const char* what() const noexcept override {
    return "weft::StackAllocationError: no memory for the task's stack";
  }
};

/// The stream ended before all that was asked for had come. `partial` holds what did.
class IncompleteRead : public std::runtime_error {
 public:
  IncompleteRead(const std::string& what, std::vector<std::byte> received)
      : std::runtime_error(what), partial(std::move(received)) {}
  std::vector<std::byte> partial;
};

/// More came than the caller's limit allows, or was asked for than there may be.
class LimitExceeded : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace weft
