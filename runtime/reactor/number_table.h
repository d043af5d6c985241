#pragma once

// A table of entries by descriptor number. Entries are made by the thousand when first asked for,
// and stay: a number that comes late from the kernel finds an entry, never freed memory.

#include <cstddef>
#include <memory>
#include <string>
#include <system_error>

#include "base/assert.h"
#include "base/atomic.h"

namespace weft::detail {

/// What an entry derives from.
class Numbered {
 public:
  int fd() const noexcept { return fd_; }

 private:
  template <class>
  friend class NumberTable;
  int fd_ = -1;  // constant once the table shows the entry
};

template <class Entry>
class NumberTable {
 public:
  /// The entry of a number, made if need be. Throws std::bad_alloc, and std::system_error(EMFILE)
  /// for a number above four million: a program has that many open first.
  Entry& entry(int fd) {
    WEFT_ASSERT(fd >= 0, "the kernel's numbers are not negative");
    const auto number = static_cast<std::size_t>(fd);
    if (number / kChunkSize >= kChunks) {
      throw std::system_error(EMFILE, std::system_category(), "descriptor " + std::to_string(fd));
    }
    // Acquire: the entries were made by another thread. The rest of the order is for who counts
    // itself in elsewhere, and then looks whether there is an entry (see foreign_waits.h).
    // [fd-chunk]
    Chunk* chunk = chunks_[number / kChunkSize].load(std::memory_order_seq_cst);
    if (chunk == nullptr) chunk = make_chunk(number / kChunkSize);
    return chunk->entries[number % kChunkSize];
  }

  /// Null when there is none.
  Entry* find(int fd) noexcept {
    const auto number = static_cast<std::size_t>(fd);
    if (fd < 0 || number / kChunkSize >= kChunks) return nullptr;
    Chunk* const chunk =
        chunks_[number / kChunkSize].load(std::memory_order_seq_cst);  // [fd-chunk]
    return chunk == nullptr ? nullptr : &chunk->entries[number % kChunkSize];
  }

  /// Those entries between two numbers, including both, that have been made.
  template <class Visit>
  void for_each(unsigned first, unsigned last, Visit visit) {
    for (std::size_t i = first / kChunkSize; i < kChunks && i <= last / kChunkSize; ++i) {
      Chunk* const chunk = chunks_[i].load(std::memory_order_seq_cst);  // [fd-chunk]
      if (chunk == nullptr) continue;
      for (Entry& entry : chunk->entries) {
        const auto number = static_cast<unsigned>(entry.fd());
        if (number >= first && number <= last) visit(entry);
      }
    }
  }

  /// Shows no entry any more, and leaks them. For a process's only thread.
  void forget_all() noexcept {
    for (Atomic<Chunk*>& chunk : chunks_) {
      // What has not been written is shared with the parent, and need not be copied.
      if (chunk.load(std::memory_order_relaxed) == nullptr) continue;
      chunk.store(nullptr, std::memory_order_relaxed);
    }
  }

 private:
  static constexpr std::size_t kChunkSize = 1024;
  static constexpr std::size_t kChunks = 4096;

  struct Chunk {
    Entry entries[kChunkSize];
  };

  Chunk* make_chunk(std::size_t index) {
    auto chunk = std::make_unique<Chunk>();
    int fd = static_cast<int>(index * kChunkSize);
    for (Numbered& entry : chunk->entries) entry.fd_ = fd++;
    Chunk* existing = nullptr;
    // Release: see entry(). Two may have made one; the first stays. [fd-chunk]
    if (chunks_[index].compare_exchange_strong(existing, chunk.get(), std::memory_order_seq_cst)) {
      return chunk.release();
    }
    return existing;
  }

  // Written once each, by the first to need a chunk of 1,024 numbers; read by anyone. [fd-chunk]
  Atomic<Chunk*> chunks_[kChunks] = {};
};

}  // namespace weft::detail
