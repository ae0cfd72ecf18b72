// The work queue. The acceptor pushes, workers take.
#include "pool/work_queue.h"

#include "base/assert.h"
#include "base/clock.h"

void work_queue_init(struct work_queue *queue, size_t capacity)
{
	*queue = (struct work_queue){.capacity = capacity};
	pthread_mutex_init(&queue->lock, NULL);
	pthread_cond_init(&queue->filled, NULL);
}

static void append_locked(struct work_queue *queue, struct work *work)
{
	if (queue->tail)
		queue->tail->next = work;
	else
		queue->head = work;
	queue->tail = work;
	queue->depth++;
	if (queue->depth > queue->depth_max)
		queue->depth_max = queue->depth;
}

static struct work *remove_first_locked(struct work_queue *queue)
{
	struct work *work = queue->head;
	if (!work)
		return NULL;
	queue->head = work->next;
	if (!queue->head)
		queue->tail = NULL;
	work->next = NULL;
	queue->depth--;
	return work;
}

void work_queue_push(struct work_queue *queue, struct work *work)
{
	work->next = NULL;
	work->queued_at = clock_now();
	pthread_mutex_lock(&queue->lock);
	ensure(!queue->closed && queue->depth < queue->capacity);
	append_locked(queue, work);
	pthread_mutex_unlock(&queue->lock);
	// Outside the lock, so that the one woken finds it free. No wake-up is lost: a worker looks
	// at the queue and goes to sleep under the lock, so it either saw this work or slept before
	// it was appended.
	pthread_cond_signal(&queue->filled);
}

struct work *work_queue_take(struct work_queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	while (!queue->head && !queue->closed)
		pthread_cond_wait(&queue->filled, &queue->lock);
	struct work *work = remove_first_locked(queue);
	pthread_mutex_unlock(&queue->lock);
	return work;
}

void work_queue_close(struct work_queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	queue->closed = true;
	pthread_cond_broadcast(&queue->filled);
	pthread_mutex_unlock(&queue->lock);
}

void work_queue_depth(struct work_queue *queue, size_t *depth, size_t *depth_max)
{
	pthread_mutex_lock(&queue->lock);
	*depth = queue->depth;
	*depth_max = queue->depth_max;
	pthread_mutex_unlock(&queue->lock);
}

void work_queue_destroy(struct work_queue *queue)
{
	ensure(!queue->head && queue->depth == 0);
	pthread_cond_destroy(&queue->filled);
	pthread_mutex_destroy(&queue->lock);
}
