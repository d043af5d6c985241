// Goal: a jump comes back with everything that a call must preserve, whichever context was chosen:
// registers, the red zone of a leaf function, and control words where that is promised. Method: a
// coroutine that jumps to and fro; assembly that fills the registers around it, and a leaf function
// with the jump inlined.

#include "fiber/context.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <array>
#include <cfenv>
#include <cstdint>
#include <memory>
#include <new>
#include <stdexcept>

#include "fiber/sanitizer.h"
#include "support/valgrind.h"

namespace weft::detail {
namespace {

// A second stack, on which `body` runs while the test waits in resume().
class Coroutine {
 public:
  using Body = void (*)(Coroutine&);

  explicit Coroutine(Body body) : body_(body) {
    context_ = make_context(memory_->bytes + kSize, kSize, &entry);
#if defined(WEFT_ASAN)
    own_ = {memory_->bytes, kSize, nullptr};
    pthread_attr_t attributes;
    void* bottom = nullptr;
    std::size_t size = 0;
    pthread_getattr_np(pthread_self(), &attributes);
    pthread_attr_getstack(&attributes, &bottom, &size);
    pthread_attr_destroy(&attributes);
    caller_ = {bottom, size, nullptr};
#endif
#if defined(WEFT_TSAN)
    own_.context = __tsan_create_fiber(0);
    caller_.context = __tsan_get_current_fiber();
#endif
  }
  ~Coroutine() {
#if defined(WEFT_TSAN)
    __tsan_destroy_fiber(own_.context);
#endif
  }
  Coroutine(const Coroutine&) = delete;
  Coroutine& operator=(const Coroutine&) = delete;

  // Both inlined into whoever jumps: some callers must be leaf functions.
  [[gnu::always_inline]] void resume(void* data = nullptr) { go(caller_, own_, data, false); }
  [[gnu::always_inline]] void leave(void* data = nullptr) { go(own_, caller_, data, false); }

  void* received() const { return received_; }

  std::uint64_t found = 0;  // by the body, for the test to look at

 private:
  static constexpr std::size_t kSize = std::size_t{64} << 10;
  struct alignas(4096) Memory {
    std::byte bytes[kSize];
  };

  [[gnu::always_inline]] void go(SanitizerStack& from, SanitizerStack& to, void* data, bool ends) {
    received_ = data;
    sanitizer_before_switch(from, to, ends);
    const Transfer arrived = jump(context_, this);
    sanitizer_after_switch(from);
    context_ = arrived.fctx;
  }

  static void entry(Transfer arrived) {
    auto& self = *static_cast<Coroutine*>(arrived.data);
    sanitizer_after_switch(self.own_);
    self.context_ = arrived.fctx;
    self.body_(self);
    self.go(self.own_, self.caller_, nullptr, true);
  }

  const std::unique_ptr<Memory> memory_ = std::make_unique<Memory>();
  const Body body_;
  Context context_;
  void* received_ = nullptr;
  SanitizerStack own_;
  SanitizerStack caller_;
};

TEST(Context, RunsOnItsOwnStackAndComesBack) {
  Coroutine coroutine([](Coroutine& self) {
    const int local = 0;
    self.found = reinterpret_cast<std::uintptr_t>(&local);
    self.leave();
    self.found = 2;
  });
  const int local = 0;
  coroutine.resume();
  const auto distance = static_cast<std::int64_t>(coroutine.found) -
                        static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(&local));
  EXPECT_GT(std::abs(distance), 1 << 16) << "same stack";
  coroutine.resume();
  EXPECT_EQ(coroutine.found, 2u);
}

TEST(Context, CarriesAWordEachWay) {
  int there = 0;
  int back = 0;
  static int* reply;
  reply = &back;
  Coroutine coroutine([](Coroutine& self) {
    self.found = reinterpret_cast<std::uintptr_t>(self.received());
    self.leave(reply);
  });
  coroutine.resume(&there);
  EXPECT_EQ(coroutine.found, reinterpret_cast<std::uintptr_t>(&there));
  EXPECT_EQ(coroutine.received(), &back);
  coroutine.resume();
}

TEST(Context, EntryFindsAnAlignedStack) {
  Coroutine coroutine([](Coroutine& self) {
    alignas(16) volatile char local[16] = {};
    self.found = reinterpret_cast<std::uintptr_t>(&local[0]) % 16;
    local[0] = 1;
    // Vector code that a compiler aligned by the ABI's promise would fault here.
    self.found += reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0)) % 16;
  });
  coroutine.resume();
  EXPECT_EQ(coroutine.found, 0u);
}

TEST(Context, ExceptionsUnwindOnTheirOwnStack) {
  Coroutine coroutine([](Coroutine& self) {
    for (int i = 0; i < 3; ++i) {
      try {
        throw std::runtime_error("inside");
      } catch (const std::runtime_error&) {
        ++self.found;
      }
      self.leave();
    }
  });
  for (std::uint64_t i = 1; i <= 3; ++i) {
    coroutine.resume();
    EXPECT_EQ(coroutine.found, i);
    EXPECT_THROW(throw std::logic_error("outside"), std::logic_error);
  }
  coroutine.resume();
}

TEST(Context, MillionJumpsLeaveTheStackWhereItWas) {
  Coroutine coroutine([](Coroutine& self) {
    while (self.received() != nullptr) {
      ++self.found;
      self.leave();
    }
  });
  const void* const before = __builtin_frame_address(0);
  for (int i = 0; i < 500'000; ++i) coroutine.resume(&coroutine);
  EXPECT_EQ(__builtin_frame_address(0), before);
  EXPECT_EQ(coroutine.found, 500'000u);
  coroutine.resume();
}

TEST(Context, FloatingPointValuesSurvive) {
  Coroutine coroutine([](Coroutine& self) {
    std::array<double, 24> values{};
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = -1.0 / static_cast<double>(i + 1);
    self.leave();
    for (std::size_t i = 0; i < values.size(); ++i) {
      self.found += values[i] == -1.0 / static_cast<double>(i + 1) ? 1 : 0;
    }
  });
  // More live values than there are registers, so that all of these are in use.
  double a = 1.5, b = 2.5, c = 3.5, d = 4.5, e = 5.5, f = 6.5, g = 7.5, h = 8.5;
  asm volatile("" : "+x"(a), "+x"(b), "+x"(c), "+x"(d), "+x"(e), "+x"(f), "+x"(g), "+x"(h));
  coroutine.resume();
  asm volatile("" : "+x"(a), "+x"(b), "+x"(c), "+x"(d), "+x"(e), "+x"(f), "+x"(g), "+x"(h));
  EXPECT_EQ(a + b + c + d + e + f + g + h, 40.0);
  coroutine.resume();
  EXPECT_EQ(coroutine.found, 24u);
}

// ---- What the ABI lets a callee change only until it returns.

// What one side sets it finds again; or else the next side to run does, as on one thread without
// coroutines.
TEST(Context, RoundingModeIsKeptForEachSideOrLeftToTheThreadAsPromised) {
  Coroutine coroutine([](Coroutine& self) {
    std::fesetround(FE_TOWARDZERO);
    self.leave();
    self.found = static_cast<std::uint64_t>(std::fegetround());
    std::fesetround(FE_TONEAREST);
  });
  ASSERT_EQ(std::fegetround(), FE_TONEAREST);
  coroutine.resume();
  EXPECT_EQ(std::fegetround(), kKeepsControlWords ? FE_TONEAREST : FE_TOWARDZERO);
  std::fesetround(FE_UPWARD);
  coroutine.resume();
  EXPECT_EQ(coroutine.found,
            static_cast<std::uint64_t>(kKeepsControlWords ? FE_TOWARDZERO : FE_UPWARD));
  EXPECT_EQ(std::fegetround(), kKeepsControlWords ? FE_UPWARD : FE_TONEAREST);
  std::fesetround(FE_TONEAREST);
}

#if defined(__x86_64__)

struct ControlWords {
  std::uint32_t mxcsr = 0;
  std::uint16_t x87 = 0;

  static ControlWords read() {
    ControlWords words;
    asm volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(words.mxcsr), "=m"(words.x87));
    words.mxcsr &= ~0x3fu;  // the flags that computations raise belong to nobody
    return words;
  }
  void write() const { asm volatile("ldmxcsr %0\n\tfldcw %1" : : "m"(mxcsr), "m"(x87)); }
  bool operator==(const ControlWords&) const = default;
};

TEST(Context, ControlWordsOfBothFloatingPointUnitsAreKeptOrLeftAsPromised) {
  if (support::on_valgrind()) GTEST_SKIP() << "Valgrind keeps the rounding mode of them only";
  static constexpr ControlWords kInside{0x1f80 | 0x8000 | 0x6000, 0x0c7f};
  static constexpr ControlWords kOutside{0x1f80 | 0x0040, 0x027f};
  const ControlWords before = ControlWords::read();
  Coroutine coroutine([](Coroutine& self) {
    kInside.write();
    self.leave();
    self.found = ControlWords::read() == (kKeepsControlWords ? kInside : kOutside) ? 1 : 0;
  });
  coroutine.resume();
  const ControlWords after = ControlWords::read();
  kOutside.write();
  coroutine.resume();
  const bool kept = ControlWords::read() == kOutside;
  before.write();
  EXPECT_EQ(after.mxcsr, kKeepsControlWords ? before.mxcsr : kInside.mxcsr);
  EXPECT_EQ(after.x87, kKeepsControlWords ? before.x87 : kInside.x87);
  EXPECT_TRUE(kept);
  EXPECT_EQ(coroutine.found, 1u);
}

// Has a number in the x87 stack before it jumps, if the compiler thinks that it may stay there.
[[gnu::noinline]] long double add_across_a_jump(Coroutine& coroutine, long double a,
                                                long double b) {
  asm volatile("" : "+t"(a));
  coroutine.resume();
  return a + b;
}

TEST(Context, LongDoublesSurviveOnBothSides) {
  Coroutine coroutine([](Coroutine& self) {
    volatile long double one = 1;
    for (;;) {
      // As many at once as there are registers: one that is in use already makes this overflow.
      const long double i = one;
      self.found += i + (2 * i + (3 * i + (4 * i + (5 * i + (6 * i + 7 * i))))) == 28 ? 1 : 0;
      self.leave();
    }
  });
  for (std::uint64_t i = 1; i <= 20; ++i) {
    EXPECT_EQ(add_across_a_jump(coroutine, 1.5L, 2.5L), 4.0L);
    EXPECT_EQ(coroutine.found, i);
  }
}

// Fills every register that a callee preserves with numbers that begin at `pattern`, calls, and
// returns in how many of them it does not find the same afterwards.
extern "C" std::uint64_t changed_registers(void (*call)(Coroutine&), Coroutine& argument,
                                           std::uint64_t pattern);
asm(R"(
  .text
  .p2align 4
  .type changed_registers, @function
changed_registers:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  pushq %rdx
  movq %rdi, %rax
  movq %rsi, %rdi
  leaq 0(%rdx), %rbx
  leaq 1(%rdx), %rbp
  leaq 2(%rdx), %r12
  leaq 3(%rdx), %r13
  leaq 4(%rdx), %r14
  leaq 5(%rdx), %r15
  call *%rax
  popq %rdx
  xorl %eax, %eax
  xorl %ecx, %ecx
  cmpq %rdx, %rbx
  setne %cl
  addq %rcx, %rax
  leaq 1(%rdx), %rsi
  cmpq %rsi, %rbp
  setne %cl
  addq %rcx, %rax
  leaq 2(%rdx), %rsi
  cmpq %rsi, %r12
  setne %cl
  addq %rcx, %rax
  leaq 3(%rdx), %rsi
  cmpq %rsi, %r13
  setne %cl
  addq %rcx, %rax
  leaq 4(%rdx), %rsi
  cmpq %rsi, %r14
  setne %cl
  addq %rcx, %rax
  leaq 5(%rdx), %rsi
  cmpq %rsi, %r15
  setne %cl
  addq %rcx, %rax
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
  .size changed_registers, .-changed_registers
)");

TEST(Context, CalleeSavedRegistersSurviveOnBothSides) {
  Coroutine coroutine([](Coroutine& self) {
    for (std::uint64_t i = 1; i <= 10; ++i) {
      self.found += changed_registers([](Coroutine& inner) { inner.leave(); }, self, i << 40);
    }
  });
  for (std::uint64_t i = 1; i <= 10; ++i) {
    EXPECT_EQ(changed_registers([](Coroutine& inner) { inner.resume(); }, coroutine, ~(i << 40)),
              0u);
  }
  coroutine.resume();
  EXPECT_EQ(coroutine.found, 0u);
}

struct RedZone {
  bool used = false;
  bool intact = true;
};

// A leaf function, as far as the compiler can see: its array lies below the stack pointer.
template <bool kInside>
[[gnu::noinline]] RedZone jump_from_a_leaf(Coroutine& coroutine, std::uint64_t pattern) {
  volatile std::uint64_t local[12];
  for (std::uint64_t i = 0; i < 12; ++i) local[i] = pattern + i;
  const std::byte* stack_pointer;
  asm volatile("movq %%rsp, %0" : "=r"(stack_pointer));
  if constexpr (kInside) {
    coroutine.leave();
  } else {
    coroutine.resume();
  }
  RedZone zone;
  for (std::uint64_t i = 0; i < 12; ++i) zone.intact &= local[i] == pattern + i;
  zone.used =
      reinterpret_cast<std::uintptr_t>(&local[0]) < reinterpret_cast<std::uintptr_t>(stack_pointer);
  return zone;
}

TEST(Context, RedZoneOfALeafFunctionIsLeftAlone) {
  Coroutine coroutine([](Coroutine& self) {
    for (std::uint64_t i = 1; i <= 10; ++i) {
      self.found += jump_from_a_leaf<true>(self, i << 40).intact ? 1 : 0;
    }
  });
  for (std::uint64_t i = 1; i <= 10; ++i) {
    const RedZone zone = jump_from_a_leaf<false>(coroutine, ~(i << 40));
    EXPECT_TRUE(zone.intact);
#if defined(__OPTIMIZE__) && !defined(WEFT_ASAN) && !defined(WEFT_TSAN)
    EXPECT_TRUE(zone.used) << "the compiler saw no leaf function, so this proves nothing";
#endif
  }
  coroutine.resume();
  EXPECT_EQ(coroutine.found, 10u);
}

#endif

}  // namespace
}  // namespace weft::detail
