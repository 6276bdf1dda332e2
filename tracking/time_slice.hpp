// How long the kernel lets a thread run before one that has just become ready may take its place (the slice of
// Linux's EEVDF scheduler, sched_setattr(2); kernels before 6.12 take no notice). Who has a longer slice steps aside
// for who has a shorter one; all get the same share of time. It needs no privilege.
#pragma once

namespace tracking {

// The longest one, for the calling thread and what it starts: recording steps aside for serving, where both want the
// same core. May be called between fork and exec.
void run_in_long_slices() noexcept;
// What the system gives everybody else.
void run_in_usual_slices() noexcept;

}  // namespace tracking
