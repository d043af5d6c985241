#pragma once

// The switch itself: `jump` leaves one stack for another, `make_context` prepares a stack to be
// jumped to. There are two, and Meson's option `context` chooses: Boost.Context, which is the
// default and the reference, or a few instructions of our own that save less.

#include "fiber/sanitizer.h"

#if !defined(WEFT_CONTEXT_INLINE)
#include "fiber/context_boost.h"
#elif defined(WEFT_ASAN) || defined(WEFT_TSAN)
#error "sanitizers want Boost.Context: configure with -Dcontext=boost"
#else
#include "fiber/context_inline.h"
#endif
