#pragma once

// Some calls cannot be told not to block: accept, connect, sendfile. For the moment of such
// a call the open file is made non-blocking. That is seen by everybody who has the file, under any
// number, so whoever asks for the flag in this process, or changes it, waits for the moment to end.

#include "base/spinlock.h"

namespace weft::hook {

/// While one exists the file is non-blocking, and only its maker's. They are short, and never held
/// over a suspension. errno stays as it is.
class Borrowed {
 public:
  explicit Borrowed(int fd) noexcept;
  ~Borrowed();
  Borrowed(const Borrowed&) = delete;
  Borrowed& operator=(const Borrowed&) = delete;

  /// What the user has made of it.
  bool was_nonblocking() const noexcept;

  /// In the child of a fork(2): whoever has borrowed a file is a thread of the parent.
  static void forget_parent() noexcept;

 private:
  const int fd_;
  detail::Spinlock* const lock_;  // null if there is no such file
  int flags_ = -1;
};

/// fcntl(F_GETFL) as if nobody had borrowed the file.
int flags_of(int fd) noexcept;

/// Keeps a file from being borrowed, for who changes its flags.
class NotBorrowed {
 public:
  explicit NotBorrowed(int fd) noexcept;
  ~NotBorrowed();
  NotBorrowed(const NotBorrowed&) = delete;
  NotBorrowed& operator=(const NotBorrowed&) = delete;

 private:
  detail::Spinlock* const lock_;
};

}  // namespace weft::hook
