#pragma once

// In a debug build (-Ddebug_locks=true) every lock says who takes it and who gives it back, so that
// a deadlock can be told as it comes about. In any other it costs nothing. A program that is
// compiled with WEFT_DEBUG_LOCKS does not link with a library that is not; the other way round,
// what it locks is not known.

namespace weft::detail {

#if defined(WEFT_DEBUG_LOCKS)
/// By who holds `lock` from now on; once more by each reader of a shared one.
void note_taken(const void* lock) noexcept;
/// By who holds it, before it gives it back.
void note_given_back(const void* lock) noexcept;
#else
inline void note_taken(const void* /*lock*/) noexcept {}
inline void note_given_back(const void* /*lock*/) noexcept {}
#endif

}  // namespace weft::detail
