#include "server/admission.h"

#include "base/assert.h"

int admission_open(struct admission *admission, uint64_t limit, uint64_t per_source,
		   unsigned prefix6, const struct waker *waker, struct echod_error *error)
{
	*admission = (struct admission){.limit = limit, .waker = waker};
	return sources_open(&admission->sources, per_source, prefix6, (size_t)limit, error);
}

void admission_close(struct admission *admission)
{
	ensure(admission_count(admission) == 0 && admission_reserved(admission) == 0);
	sources_close(&admission->sources);
}

uint64_t admission_count(const struct admission *admission)
{
	return atomic_load(&admission->open);
}

uint64_t admission_reserved(const struct admission *admission)
{
	return atomic_load_explicit(&admission->reserved, memory_order_relaxed);
}

bool admission_has_room(struct admission *admission)
{
	return admission_count(admission) + admission_reserved(admission) < admission->limit;
}

void admission_reserve(struct admission *admission)
{
	ensure(admission_has_room(admission));
	atomic_fetch_add_explicit(&admission->reserved, 1, memory_order_relaxed);
}

void admission_release(struct admission *admission)
{
	atomic_fetch_sub_explicit(&admission->reserved, 1, memory_order_relaxed);
}

const char *admission_obstacle(struct admission *admission)
{
	uint64_t open = admission_count(admission) + admission_reserved(admission);
	if (open >= admission->limit)
		atomic_store(&admission->was_full, true);
	else if (open < admission->limit - admission->limit / 20)
		atomic_store(&admission->was_full, false);
	if (atomic_load(&admission->lacks_resources))
		return "accepting pauses: out of descriptors or memory";
	return atomic_load(&admission->was_full) ? "at --max-connections" : NULL;
}

bool admission_enter(struct admission *admission, const struct conn_origin *origin)
{
	ensure(admission_has_room(admission));
	if (!sources_enter(&admission->sources, origin))
		return false;
	atomic_fetch_add(&admission->open, 1);
	return true;
}

void admission_notify(struct admission *admission, bool notifies)
{
	atomic_store(&admission->notifies, notifies);
}

void admission_leave(struct admission *admission, const struct conn_origin *origin)
{
	sources_leave(&admission->sources, origin);
	uint64_t before = atomic_fetch_sub(&admission->open, 1);
	ensure(before > 0);
	if (atomic_load(&admission->notifies))
		waker_wake(admission->waker);
}
