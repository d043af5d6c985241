#include "fiber/fiber_pool.h"

#include <sys/mman.h>

#include <mutex>
#include <new>

namespace weft::detail {

FiberPool& FiberPool::instance() noexcept {
  // Has no destructor: handles in static objects may outlive main(). Needs no memory, or the first
  // task could not say that there is none.
  static constinit FiberPool pool;
  return pool;
}

Fiber* FiberPool::take(std::size_t count) {
  std::lock_guard lock(mutex_);
  if (free_ == nullptr) {
    aside_.sweep([this](Fiber* fiber) noexcept {
      fiber->next = free_;
      free_ = fiber;
    });
  }
  if (free_ == nullptr) grow();
  Fiber* const first = free_;
  Fiber* last = first;
  while (--count > 0 && last->next != nullptr) last = last->next;
  free_ = last->next;
  last->next = nullptr;
  return first;
}

void FiberPool::give(Fiber* first, Fiber* last) noexcept {
  std::lock_guard lock(mutex_);
  last->next = free_;
  free_ = first;
}

void FiberPool::put_aside(Fiber* fiber) noexcept {
  std::lock_guard lock(mutex_);
  aside_.push(fiber);
}

// Who has some thousand fibers may have a million, on a hundred thousand pages. So the kernel is
// asked for many at a time: one by one they cost a fault each. Large pages would cost less still,
// and now and then a second, when the kernel has to move others to make room.
FiberPool::Chunk* FiberPool::new_chunk() {
  if (capacity() >= kFibersBeforeSlabs) {
    if (Chunk* const chunk = new_chunk_in_slab()) return chunk;
  }
  return new Chunk;
}

FiberPool::Chunk* FiberPool::new_chunk_in_slab() noexcept {
  if (slabs_ == nullptr || slabs_->used == kChunksInSlab) {
    void* const room = ::operator new(kSlabSize, std::align_val_t(kSlabSize), std::nothrow);
    if (room == nullptr) return nullptr;
    ::madvise(room, kSlabSize, MADV_POPULATE_WRITE);  // if refused, they come when touched
    slabs_ = ::new (room) Slab{slabs_};
  }
  return ::new (static_cast<void*>(slabs_->chunks() + slabs_->used++)) Chunk;
}

void FiberPool::grow() {
  Chunk* const chunk = new_chunk();
  for (std::size_t i = 0; i + 1 < kChunkFibers; ++i) chunk->fibers[i].next = &chunk->fibers[i + 1];
  free_ = &chunk->fibers[0];
  chunk->next = chunks_.load(std::memory_order_relaxed);
  chunks_.store(chunk, std::memory_order_release);  // [chunks]
  capacity_.fetch_add(kChunkFibers, std::memory_order_relaxed);
}

FiberCache::~FiberCache() {
  drain(0);
  for (Fiber* fiber = aside_.take_all(); fiber != nullptr;) {
    FiberPool::instance().put_aside(std::exchange(fiber, fiber->next));
  }
}

void FiberCache::sweep() noexcept {
  aside_.sweep([this](Fiber* fiber) noexcept { release(fiber); });
}

void FiberCache::refill() {
  sweep();
  if (free_ != nullptr) return;
  free_ = FiberPool::instance().take(kBatch);
  for (Fiber* fiber = free_; fiber != nullptr; fiber = fiber->next) ++count_;
}

void FiberCache::drain(std::size_t keep) noexcept {
  if (count_ <= keep) return;
  Fiber* const first = free_;
  Fiber* last = first;
  while (--count_ > keep) last = last->next;
  free_ = last->next;
  FiberPool::instance().give(first, last);
}

}  // namespace weft::detail
