#pragma once

// What goes in must come out: each load of a round keeps a ledger, and it must balance when the
// round's runtime has ended. The ledger outlives that runtime, so tasks may refer to it for as long
// as they live.

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace soak {

enum class Book {
  kTasks,        ///< callables given to the runtime; destroyed
  kOutcomes,     ///< tasks with a handle; ends seen through it
  kItems,        ///< numbers handed over by tasks; summed up by those who wait for them
  kErrors,       ///< failures thrown; caught, or reported as lost
  kWaits,        ///< waits begun; ended
  kLocks,        ///< critical sections; counted by what they guard
  kCalls,        ///< calls for other threads; over
  kConnections,  ///< connections made; served to their end
  kBytes,        ///< bytes sent; received in order
};
inline constexpr std::array kBookNames = {"tasks", "outcomes", "items",       "errors", "waits",
                                          "locks", "calls",    "connections", "bytes"};
inline constexpr std::size_t kBooks = kBookNames.size();

using Counts = std::array<std::uint64_t, kBooks>;

class Ledger {
 public:
  void in(Book book, std::uint64_t count = 1) noexcept { page(book).in += count; }
  void out(Book book, std::uint64_t count = 1) noexcept { page(book).out += count; }

  /// In when it is made, out when it dies.
  class Token {
   public:
    Token(Ledger& ledger, Book book) noexcept : ledger_(&ledger), book_(book) { ledger.in(book); }
    Token(Token&& other) noexcept
        : ledger_(std::exchange(other.ledger_, nullptr)), book_(other.book_) {}
    Token& operator=(Token&&) = delete;
    ~Token() {
      if (ledger_ != nullptr) ledger_->out(book_);
    }

   private:
    Ledger* ledger_;
    Book book_;
  };

  /// Notes that something else than a balance is wrong.
  void wrong(std::string what) {
    const std::lock_guard lock(mutex_);
    if (wrongs_.size() < kMostWrongs) wrongs_.push_back(std::move(what));
  }
  void expect(bool condition, const char* what) {
    if (!condition) wrong(what);
  }

  /// What has gone in and not come out.
  std::uint64_t open(Book book) const noexcept { return page(book).in - page(book).out; }
  /// What has gone in so far.
  Counts counts() const noexcept;
  /// What does not add up, a line each.
  std::vector<std::string> problems() const;

 private:
  static constexpr std::size_t kMostWrongs = 20;
  struct Page {
    std::atomic<std::uint64_t> in{0}, out{0};
  };
  Page& page(Book book) noexcept { return pages_[static_cast<std::size_t>(book)]; }
  const Page& page(Book book) const noexcept { return pages_[static_cast<std::size_t>(book)]; }

  std::array<Page, kBooks> pages_;
  mutable std::mutex mutex_;
  std::vector<std::string> wrongs_;  // under mutex_
};

/// What tasks throw on purpose. Whoever catches one calls seen().
class Failure : public std::runtime_error {
 public:
  explicit Failure(Ledger& ledger) : std::runtime_error("on purpose"), ledger_(&ledger) {}
  void seen() const noexcept { ledger_->out(Book::kErrors); }

 private:
  Ledger* ledger_;
};

[[noreturn]] inline void fail(Ledger& ledger) {
  ledger.in(Book::kErrors);
  throw Failure(ledger);
}

}  // namespace soak
