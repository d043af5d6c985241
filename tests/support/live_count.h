#pragma once

// Counts how many copies of something are alive, to see that what a task captured, returned or
// threw is destroyed, once and in time.

#include <atomic>
#include <utility>

namespace support {

class LiveCount {
 public:
  /// One of those counted. Copies count too; what has been moved from does not.
  class Token {
   public:
    explicit Token(LiveCount& count) noexcept : count_(&count) { count_->add(1); }
    Token(const Token& other) noexcept : count_(other.count_) {
      if (count_ != nullptr) count_->add(1);
    }
    Token(Token&& other) noexcept : count_(std::exchange(other.count_, nullptr)) {}
    Token& operator=(Token other) noexcept {
      std::swap(count_, other.count_);
      return *this;
    }
    ~Token() {
      if (count_ != nullptr) count_->add(-1);
    }

   private:
    LiveCount* count_;
  };

  Token token() noexcept { return Token(*this); }
  int alive() const noexcept { return alive_.load(); }
  /// How many there have ever been.
  int made() const noexcept { return made_.load(); }

 private:
  void add(int change) noexcept {
    alive_ += change;
    if (change > 0) made_ += change;
  }

  std::atomic<int> alive_{0};
  std::atomic<int> made_{0};
};

}  // namespace support
