#include "hook/audit_calls.h"

#include <sys/syscall.h>

#include <algorithm>

namespace weft::hook {

namespace {

struct Call {
  long number;
  const char* name;
  bool has_descriptor;  // as its first argument
};

#define WITH(name) \
  Call { SYS_##name, #name, true }
#define WITHOUT(name) \
  Call { SYS_##name, #name, false }

constexpr Call kCalls[] = {
    WITH(accept),
    WITH(accept4),
    WITH(close),
    WITH(connect),
    WITH(copy_file_range),
    WITH(epoll_pwait),
    WITH(fallocate),
    WITH(fcntl),
    WITH(fdatasync),
    WITH(flock),
    WITH(fstat),
    WITH(fsync),
    WITH(ftruncate),
    WITH(getdents64),
    WITH(io_uring_enter),
    WITH(ioctl),
    WITH(mq_timedreceive),
    WITH(mq_timedsend),
    WITH(pread64),
    WITH(preadv),
    WITH(preadv2),
    WITH(pwrite64),
    WITH(pwritev),
    WITH(pwritev2),
    WITH(read),
    WITH(readahead),
    WITH(readv),
    WITH(recvfrom),
    WITH(recvmmsg),
    WITH(recvmsg),
    WITH(sendfile),
    WITH(sendmmsg),
    WITH(sendmsg),
    WITH(sendto),
    WITH(shutdown),
    WITH(splice),
    WITH(sync_file_range),
    WITH(syncfs),
    WITH(tee),
    WITH(vmsplice),
    WITH(write),
    WITH(writev),
    WITHOUT(clock_nanosleep),
    WITHOUT(clone),
    WITHOUT(execve),
    WITHOUT(faccessat),
    WITHOUT(futex),
    WITHOUT(getrandom),
    WITHOUT(io_getevents),
    WITHOUT(linkat),
    WITHOUT(madvise),
    WITHOUT(mkdirat),
    WITHOUT(mlock),
    WITHOUT(mmap),
    WITHOUT(mprotect),
    WITHOUT(mremap),
    WITHOUT(msgrcv),
    WITHOUT(msgsnd),
    WITHOUT(msync),
    WITHOUT(munmap),
    WITHOUT(nanosleep),
    WITHOUT(openat),
    WITHOUT(ppoll),
    WITHOUT(pselect6),
    WITHOUT(renameat),
    WITHOUT(rt_sigsuspend),
    WITHOUT(rt_sigtimedwait),
    WITHOUT(semop),
    WITHOUT(semtimedop),
    WITHOUT(socket),
    WITHOUT(sync),
    WITHOUT(unlinkat),
    WITHOUT(wait4),
    WITHOUT(waitid),
#if defined(SYS_open)
    // Where every call has its oldest form, too.
    WITH(epoll_wait),
    WITHOUT(access),
    WITHOUT(creat),
    WITHOUT(link),
    WITHOUT(lstat),
    WITHOUT(mkdir),
    WITHOUT(newfstatat),
    WITHOUT(open),
    WITHOUT(pause),
    WITHOUT(poll),
    WITHOUT(rename),
    WITHOUT(rmdir),
    WITHOUT(select),
    WITHOUT(stat),
    WITHOUT(unlink),
    WITHOUT(vfork),
#endif
#if defined(SYS_clone3)
    WITHOUT(clone3),
#endif
#if defined(SYS_epoll_pwait2)
    WITH(epoll_pwait2),
#endif
#if defined(SYS_futex_waitv)
    WITHOUT(futex_waitv),
#endif
#if defined(SYS_io_pgetevents)
    WITHOUT(io_pgetevents),
#endif
#if defined(SYS_openat2)
    WITHOUT(openat2),
#endif
#if defined(SYS_statx)
    WITHOUT(statx),
#endif
};

#undef WITH
#undef WITHOUT

const Call* find(long number) noexcept {
  const auto* const call =
      std::find_if(std::begin(kCalls), std::end(kCalls),
                   [number](const Call& each) { return each.number == number; });
  return call == std::end(kCalls) ? nullptr : call;
}

}  // namespace

BlockingCall describe_call(long number, std::uint64_t first) noexcept {
  const Call* const call = find(number);
  const bool has_descriptor = call != nullptr && call->has_descriptor;
  return {number, has_descriptor ? static_cast<int>(first) : BlockingCall::kNoDescriptor};
}

std::string name_of(const BlockingCall& call) {
  if (call.number == BlockingCall::kPageFault) return "memory that was not there";
  if (call.number == BlockingCall::kUnknown) return "a call that the kernel does not tell";
  const Call* const known = find(call.number);
  return known != nullptr ? known->name : "system call " + std::to_string(call.number);
}

}  // namespace weft::hook
