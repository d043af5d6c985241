#pragma once

#include <stdio.h>

#include <cerrno>

#include "hook/kind.h"
#include "reactor/foreign_waits.h"

namespace weft::hook {

/// Around the call that ends a number's file, or those of several: who waits for it is told, and
/// its kind is forgotten. errno stays as it is.
class Ending {
 public:
  explicit Ending(int fd) noexcept : waits_(fd), first_(static_cast<unsigned>(fd)), last_(first_) {
    forget_kind(fd);
  }
  /// All numbers between, including both.
  Ending(unsigned first, unsigned last) noexcept : waits_(first, last), first_(first), last_(last) {
    forget_kinds(first, last);
  }
  explicit Ending(FILE* stream) noexcept : Ending(number_of(stream)) {}
  // Once more, for who looked in between.
  ~Ending() { forget_kinds(first_, last_); }
  Ending(const Ending&) = delete;
  Ending& operator=(const Ending&) = delete;

 private:
  // -1: it has none.
  static int number_of(FILE* stream) noexcept {
    const int error = errno;
    const int fd = ::fileno_unlocked(stream);
    errno = error;
    return fd;
  }

  const detail::ForeignWaits::Closing waits_;
  const unsigned first_;
  const unsigned last_;
};

}  // namespace weft::hook
