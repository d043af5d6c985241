#pragma once

// All of weft.

#include <weft/address.h>
#include <weft/all_tasks.h>
#include <weft/as_completed.h>
#include <weft/channel.h>
#include <weft/context_var.h>
#include <weft/done_callback.h>
#include <weft/error.h>
#include <weft/event.h>
#include <weft/exception_group.h>
#include <weft/gather.h>
#include <weft/metrics.h>
#include <weft/mutex.h>
#include <weft/outcome.h>
#include <weft/pin.h>
#include <weft/promise.h>
#include <weft/resolve.h>
#include <weft/runtime.h>
#include <weft/serve.h>
#include <weft/shield.h>
#include <weft/sleep.h>
#include <weft/stream.h>
#include <weft/task.h>
#include <weft/task_group.h>
#include <weft/tcp.h>
#include <weft/timeout.h>
#include <weft/to_thread.h>
#include <weft/wait.h>
