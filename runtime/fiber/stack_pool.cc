#include "fiber/stack_pool.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <new>

#include "base/assert.h"
#include "base/chaos.h"

#if defined(WEFT_ASAN)
#include <sanitizer/asan_interface.h>
#endif
#if defined(WEFT_HAVE_VALGRIND)
#include <valgrind/valgrind.h>
#endif

namespace weft::detail {

namespace {

constexpr std::size_t kSlabBytes = kMaxStackSize;
constexpr std::size_t kRecordsPerChunk = 255;  // about 12 KiB
constexpr std::size_t kCarvedAtOnce = 8;       // stacks, 5 us of guards
constexpr std::size_t kManyStacks = 256;       // the next ones will be used as well

// A chain holds at most so many stacks and so many bytes of them.
constexpr std::size_t kChainStacks = chaos::kOn ? 1 : 32;
constexpr std::size_t kChainBytes = std::size_t{4} << 20;

constexpr std::size_t chain_length_of(std::uint8_t size_class) {
  return std::clamp(kChainBytes / class_size(size_class), std::size_t{1}, kChainStacks);
}

// Where pages are larger than 4 KiB the smallest classes need more than they asked for.
std::size_t slot_size(std::uint8_t size_class) noexcept {
  return std::max(class_size(size_class), 2 * page_size());
}

void* map_memory(std::size_t bytes) noexcept {
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  // One huge page would back 32 stacks of which one is touched. Fails only where there are no huge
  // pages.
  ::madvise(memory, bytes, MADV_NOHUGEPAGE);
  return memory;
}

// What a fiber touches first. To be asked for it costs the kernel less than a fault, on some
// virtual machines by a third. Where it is refused, the fault comes.
void fetch_first_page(const Stack& stack) noexcept {
  ::madvise(stack.top() - page_size(), page_size(), MADV_POPULATE_WRITE);
}

// Takes the chain's tail off behind the first `keep` stacks.
StackChain cut(Stack*& head, std::size_t count, std::size_t keep) noexcept {
  if (keep >= count) return {};
  Stack** link = &head;
  for (std::size_t i = 0; i < keep; ++i) link = &(*link)->next;
  const StackChain tail{*link, count - keep};
  *link = nullptr;
  return tail;
}

// Neighbours go in one call: each call that finds a page flushes the TLB, which costs six times the
// rest (1.5 us against 0.2 a stack). The guard pages between them stay what they are.
void discard_memory(const StackChain& chain) noexcept {
  std::array<const Stack*, kChainStacks> stacks;
  std::size_t count = 0;
  for (const Stack* stack = chain.head; stack != nullptr; stack = stack->next)
    stacks[count++] = stack;
  std::sort(stacks.begin(), stacks.begin() + count,
            [](const Stack* a, const Stack* b) { return a->limit < b->limit; });
  for (std::size_t i = 0; i < count;) {
    std::byte* begin = stacks[i]->limit;
    std::byte* end = stacks[i++]->top();
    while (i < count && stacks[i]->limit - page_size() == end) end = stacks[i++]->top();
    // Refused on locked memory, which its owner wants resident; then there is nothing to give back.
    ::madvise(begin, static_cast<std::size_t>(end - begin), MADV_DONTNEED);
  }
}

void retire_record([[maybe_unused]] const Stack& stack) noexcept {
#if defined(WEFT_ASAN)
  // The shadow outlives the mapping, and the next owner of the addresses must not trip over it.
  ASAN_UNPOISON_MEMORY_REGION(stack.limit, stack.size);
#endif
#if defined(WEFT_TSAN)
  if (stack.tsan_fiber != nullptr) __tsan_destroy_fiber(stack.tsan_fiber);
#endif
#if defined(WEFT_HAVE_VALGRIND)
  VALGRIND_STACK_DEREGISTER(stack.valgrind_id);
#endif
}

}  // namespace

struct StackDepot::Slab {
  std::byte* memory = nullptr;
  std::size_t bytes = 0;
  std::size_t carved_bytes = 0;  // under the depot's mutex
  Slab* next = nullptr;
  // Lowered by whoever finds that this slab refuses the stronger kind, read by whoever guards next;
  // a stale value costs a system call in vain.
  Atomic<GuardKind> strongest{GuardKind::kNone};
};

struct StackDepot::RecordChunk {
  std::size_t used = 0;
  RecordChunk* next = nullptr;
  std::array<Stack, kRecordsPerChunk> records;
};

/// Slots and records that are one thread's own, to be made into stacks outside the mutex.
struct StackDepot::Claim {
  Slab* slab = nullptr;
  std::byte* slots = nullptr;
  Stack* records = nullptr;
  std::size_t count = 0;
  bool among_many = false;
};

void StackDepot::ChainList::push(StackChain chain) noexcept {
  chain.head->chain_length = static_cast<std::uint16_t>(chain.count);
  chain.head->next_chain = first_;
  first_ = chain.head;
  stacks_ += chain.count;
}

StackChain StackDepot::ChainList::pop() noexcept {
  if (first_ == nullptr) return {};
  const StackChain chain{first_, first_->chain_length};
  first_ = first_->next_chain;
  stacks_ -= chain.count;
  return chain;
}

StackDepot::StackDepot(const StackDepotOptions& options) noexcept
    : options_(options),
      budget_(options.budget != nullptr ? *options.budget : process_guard_budget()),
      strongest_(strongest_guard(options.guard)) {}

StackDepot::~StackDepot() {
  WEFT_ASSERT(caches_ == nullptr, "the workers and their stack caches are gone");
  WEFT_ASSERT(free_stacks() == stats_.carved, "every fiber has ended and given its stack back");
  while (RecordChunk* chunk = records_) {
    for (std::size_t i = 0; i < chunk->used; ++i) retire_record(chunk->records[i]);
    records_ = chunk->next;
    delete chunk;
  }
  while (Slab* slab = slabs_) {
    // The kernel may have merged slabs into one mapping, and to split it again can exceed
    // vm.max_map_count. Then the addresses stay taken, but not the memory.
    if (::munmap(slab->memory, slab->bytes) != 0)
      ::madvise(slab->memory, slab->bytes, MADV_DONTNEED);
    slabs_ = slab->next;
    delete slab;
  }
  budget_.give_back(stats_.guarded_by_mprotect);
}

StackStats StackDepot::stats() const noexcept {
  const std::lock_guard lock(mutex_);
  StackStats result = stats_;
  std::size_t idle = free_stacks();
  for (const StackCache* cache = caches_; cache != nullptr; cache = cache->next_cache_)
    idle += cache->cached();
  // The caches go on while we count, so the sum may be off, but not below nothing.
  result.in_use = result.carved - std::min(idle, result.carved);
  return result;
}

std::size_t StackDepot::free_stacks() const noexcept {
  std::size_t sum = 0;
  for (const Class& c : classes_) sum += c.warm.stacks() + c.cold.stacks();
  return sum;
}

StackChain StackDepot::take(std::uint8_t size_class) noexcept {
  {
    const std::lock_guard lock(mutex_);
    Class& c = classes_[size_class];
    StackChain chain = c.warm.pop();
    if (chain.head == nullptr) chain = c.cold.pop();
    if (chain.head != nullptr) return chain;
  }
  return carve(size_class);
}

void StackDepot::give(std::uint8_t size_class, StackChain chain) noexcept {
  const std::lock_guard lock(mutex_);
  classes_[size_class].warm.push(chain);
}

bool StackDepot::trim() noexcept {
  std::unique_lock lock(mutex_);
  for (std::uint8_t size_class = 0; size_class < kStackSizeClasses; ++size_class) {
    Class& c = classes_[size_class];
    if (c.warm.stacks() * class_size(size_class) <= options_.warm_bytes) continue;
    const StackChain chain = c.warm.pop();
    lock.unlock();  // the chain is ours alone meanwhile
    discard_memory(chain);
    lock.lock();
    c.cold.push(chain);
    return true;
  }
  return false;
}

void StackDepot::attach(StackCache& cache) noexcept {
  const std::lock_guard lock(mutex_);
  cache.next_cache_ = caches_;
  caches_ = &cache;
}

void StackDepot::detach(StackCache& cache) noexcept {
  const std::lock_guard lock(mutex_);
  StackCache** link = &caches_;
  while (*link != &cache) link = &(*link)->next_cache_;
  *link = cache.next_cache_;
}

StackChain StackDepot::carve(std::uint8_t size_class) noexcept {
  const int saved_errno = errno;
  const Claim claimed = claim(size_class);
  if (claimed.count == 0) {
    errno = ENOMEM;
    return {};
  }
  std::array<std::size_t, 3> guards{};
  for (std::size_t i = 0; i < claimed.count; ++i) {
    Stack& stack = claimed.records[i];
    const GuardKind kind =
        prepare(stack, claimed.slots + i * slot_size(size_class), size_class, *claimed.slab);
    ++guards[static_cast<std::size_t>(kind)];
    if (claimed.among_many) fetch_first_page(stack);
    stack.next = i + 1 < claimed.count ? &claimed.records[i + 1] : nullptr;
  }
  const std::lock_guard lock(mutex_);
  stats_.guarded_by_kernel += guards[static_cast<std::size_t>(GuardKind::kKernel)];
  stats_.guarded_by_mprotect += guards[static_cast<std::size_t>(GuardKind::kMprotect)];
  stats_.unguarded += guards[static_cast<std::size_t>(GuardKind::kNone)];
  stats_.carved += claimed.count;
  errno = saved_errno;
  return {claimed.records, claimed.count};
}

StackDepot::Claim StackDepot::claim(std::uint8_t size_class) noexcept {
  const std::lock_guard lock(mutex_);
  RecordChunk* chunk = records_with_room();
  Slab* slab = slab_with_room(size_class);
  if (chunk == nullptr || slab == nullptr) return {};
  const std::size_t slot = slot_size(size_class);
  const std::size_t count =
      std::min({kCarvedAtOnce, chain_length_of(size_class), kRecordsPerChunk - chunk->used,
                (slab->bytes - slab->carved_bytes) / slot});
  const Claim claim{slab, slab->memory + slab->carved_bytes, &chunk->records[chunk->used], count,
                    stats_.carved >= kManyStacks};
  chunk->used += count;
  slab->carved_bytes += count * slot;
  return claim;
}

StackDepot::Slab* StackDepot::slab_with_room(std::uint8_t size_class) noexcept {
  Class& c = classes_[size_class];
  const std::size_t slot = slot_size(size_class);
  if (c.slab != nullptr && c.slab->bytes - c.slab->carved_bytes >= slot) return c.slab;
  Slab* slab = new (std::nothrow) Slab;
  if (slab == nullptr) return nullptr;
  // Under a limit on address space the last few stacks should come from what is left, not fail with
  // it.
  for (std::size_t bytes = kSlabBytes; bytes >= slot && slab->memory == nullptr; bytes /= 2) {
    slab->memory = static_cast<std::byte*>(options_.map_slab != nullptr ? options_.map_slab(bytes)
                                                                        : map_memory(bytes));
    slab->bytes = bytes;
  }
  if (slab->memory == nullptr) {
    delete slab;
    return nullptr;
  }
  slab->strongest.store(strongest_);
  slab->next = slabs_;
  slabs_ = slab;
  stats_.mapped_bytes += slab->bytes;
  return c.slab = slab;
}

StackDepot::RecordChunk* StackDepot::records_with_room() noexcept {
  if (records_ != nullptr && records_->used < kRecordsPerChunk) return records_;
  auto* chunk = new (std::nothrow) RecordChunk;
  if (chunk == nullptr) return nullptr;
  chunk->next = records_;
  return records_ = chunk;
}

GuardKind StackDepot::prepare(Stack& stack, std::byte* slot, std::uint8_t size_class,
                              Slab& slab) noexcept {
  const GuardKind kind = install_guard(slot, slab.strongest.load(), budget_);
  if (kind == GuardKind::kMprotect) slab.strongest.store(kind);
  stack.limit = slot + page_size();
  stack.size = slot_size(size_class) - page_size();
  stack.size_class = size_class;
  stack.guarded = kind != GuardKind::kNone;
#if defined(WEFT_HAVE_VALGRIND)
  stack.valgrind_id = VALGRIND_STACK_REGISTER(stack.limit, stack.top());
#endif
  return kind;
}

StackCache::StackCache(StackDepot& depot) noexcept : depot_(depot) {
  for (std::uint8_t c = 0; c < kStackSizeClasses; ++c) bins_[c].chain_length = chain_length_of(c);
  depot_.attach(*this);
}

StackCache::~StackCache() {
  for (std::uint8_t c = 0; c < kStackSizeClasses; ++c) shrink(c, 0);
  depot_.detach(*this);
}

bool StackCache::trim() noexcept {
  for (std::uint8_t c = 0; c < kStackSizeClasses; ++c) shrink(c, bins_[c].chain_length / 4);
  return depot_.trim();
}

bool StackCache::refill(std::uint8_t size_class) noexcept {
  Bin& bin = bins_[size_class];
  StackChain chain{bin.spare, bin.spare_count()};
  if (chain.head == nullptr) chain = depot_.take(size_class);
  if (chain.head == nullptr) return false;
  bin.spare = nullptr;
  bin.set_spare_count(0);
  bin.hot = chain.head;
  bin.set_hot_count(chain.count);
  return true;
}

void StackCache::spill(std::uint8_t size_class) noexcept {
  Bin& bin = bins_[size_class];
  give_spare(size_class);
  bin.spare = bin.hot;
  bin.set_spare_count(bin.hot_count());
  bin.hot = nullptr;
  bin.set_hot_count(0);
}

void StackCache::give_spare(std::uint8_t size_class) noexcept {
  Bin& bin = bins_[size_class];
  if (bin.spare == nullptr) return;
  depot_.give(size_class, {bin.spare, bin.spare_count()});
  bin.spare = nullptr;
  bin.set_spare_count(0);
}

void StackCache::shrink(std::uint8_t size_class, std::size_t keep) noexcept {
  Bin& bin = bins_[size_class];
  give_spare(size_class);
  const StackChain rest = cut(bin.hot, bin.hot_count(), keep);
  if (rest.head == nullptr) return;
  bin.set_hot_count(keep);
  depot_.give(size_class, rest);
}

std::size_t StackCache::cached() const noexcept {
  std::size_t sum = 0;
  for (const Bin& bin : bins_) sum += bin.hot_count() + bin.spare_count();
  return sum;
}

void StackCache::check_canary(const Stack& stack) noexcept {
  if (canary_intact(stack.limit)) return;
  std::fprintf(stderr,
               "weft: a fiber has overflowed its stack of %zu bytes, which had no guard page, and "
               "damaged what lies "
               "below it; spawn it with a larger one: spawn({.stack_size = ...}, ...)\n",
               stack.size);
  std::abort();
}

void StackCache::mark_in_use([[maybe_unused]] const Stack& stack) noexcept {
#if defined(WEFT_ASAN)
  // Also wipes what frames that never returned have left in the shadow: a fiber's last jump is such
  // a frame's.
  ASAN_UNPOISON_MEMORY_REGION(stack.limit, stack.size);
#endif
}

void StackCache::mark_free([[maybe_unused]] const Stack& stack) noexcept {
#if defined(WEFT_ASAN)
  ASAN_POISON_MEMORY_REGION(stack.limit, stack.size);
#endif
}

}  // namespace weft::detail
