#pragma once

// A call that a thread of the blocking pool makes while a fiber waits for it. Unlike with
// to_thread(), what the call uses may be the fiber's own: when the wait ends, the call is over or
// will never begin.

#include <type_traits>
#include <utility>

#include "fiber/wait_word.h"
#include "sched/wait.h"

namespace weft::detail {

class BlockingPool;

/// That of the calling fiber's runtime. Throws std::logic_error where there is none.
BlockingPool& need_pool();

/// The untyped core. Throws std::logic_error outside a fiber; std::system_error and std::bad_alloc
/// if there is no thread or memory, and then the call is not made; Cancelled: then it was not made
/// if it had not begun, and has been made in full if it had.
void call_on_pool(void (*call)(void* argument) noexcept, void* argument, Cancellable cancellable);

/// On a thread of its own, for what may wait without limit: a few such calls would keep the pool
/// from all others. Not cancellable. Throws std::system_error and std::bad_alloc likewise.
void call_on_own_thread(void (*call)(void* argument) noexcept, void* argument);

/// `call` must not throw, and leaves its result in what it refers to.
template <class F>
void on_pool(F&& call, Cancellable cancellable = Cancellable::kYes) {
  static_assert(std::is_nothrow_invocable_v<F&>, "a call on the pool leaves errors in its result");
  using Callable = std::remove_reference_t<F>;
  call_on_pool([](void* argument) noexcept { (*static_cast<Callable*>(argument))(); },
               const_cast<std::remove_const_t<Callable>*>(&call), cancellable);
}

}  // namespace weft::detail
